"""Where an execution writes what it does: the ledger, or just memory for an inline run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.errors import CheckpointError, UnavailableError
from data.contracts.events import Event
from data.contracts.runs import Message
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution.snapshot import Remark, Snapshot
from flows.runtime.ledger import (
    cancellations,
    checkpoint_index,
    clearances,
    decisions,
    journal,
    leases,
    messages,
    model_answers,
    restricted,
    retries,
)
from flows.runtime.ledger.clearances import Confirmed
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.letters import Letter
from flows.runtime.prefect_api import feed

T = TypeVar("T")

Letters = Callable[[], Sequence[Letter]]
"""The letters of a decision, written when a record asks for them: a what-if sends none."""


@dataclass
class Entry:
    """What one transaction writes.

    Events, changes and the checkpoint's body are made when a record asks for them, inside `write`
    and not later: then the run has gone on.
    """

    tell: Callable[[], Sequence[Draft]] = tuple
    snapshot: Snapshot | None = None
    remarks: Sequence[Remark] = ()
    restricted: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Documents that not everybody may read, by name; they are in nothing else written here."""
    change: Callable[[], dict[str, Any]] = dict

    @cached_property
    def drafts(self) -> Sequence[Draft]:
        return self.tell()

    @property
    def messages(self) -> list[Message]:
        return [remark.message for remark in self.remarks]

    @property
    def checkpoint(self) -> Checkpoint | None:
        return self.snapshot.checkpoint if self.snapshot else None

    @cached_property
    def changes(self) -> dict[str, Any]:
        """Columns of the run's row that change with it: status, phase, state."""
        return self.change()

    def told(self) -> Entry:
        """This entry, with its events and changes as the run stands now."""
        _ = self.drafts, self.changes
        return self


def _nothing_more(_: sa.Connection) -> Any:
    return None


class Record(Protocol):
    """What an execution writes to and reads its own past from."""

    epoch: int
    """Which execution of the run this is, from 1."""

    async def write(self, entry: Entry, also: Callable[[sa.Connection], T] = _nothing_more) -> T:
        """Commit an entry, and what `also` writes with it: all or nothing."""

    async def decide(self, content: Contract, letters: Letters = tuple) -> bool:
        """Enter the decision with its letters, once per run. False when the run decides nothing."""

    async def schedule_retry(self, reason: Draft) -> bool:
        """Note that this execution ends in trouble of the desk's own, and that another follows.

        False when that has been so too often: then this is the run's end.
        """

    async def stop(self) -> None:
        """Write the end of a run that was asked to stop, unless it has one."""

    async def keep_answer(self, key: Callable[[], str], answer: Contract) -> None:
        """Remember an agent's answer under a key with the digest of its question."""

    async def kept_answer(self, key: Callable[[], str]) -> dict[str, Any] | None:
        """The answer that an earlier execution got, if one did."""

    async def share_replies(self, replies: Mapping[str, Contract]) -> None:
        """Let other runs use replies of a chat model, by the digest of their request."""

    async def shared_reply(self, digest: str) -> dict[str, Any] | None:
        """The reply that another run has got to an equal request, if it is young enough."""

    async def cleared(self, subjects: Collection[str], day: date) -> Mapping[str, str]:
        """What two people have cleared and is valid on a day: ids of clearances by subject."""


class LedgerRecord:
    """The journal and checkpoints of one run, written under one lease."""

    def __init__(
        self,
        ledger: Ledger,
        store: CheckpointStore,
        run_id: str,
        epoch: int,
        *,
        decides: bool = True,
        reply_days: int = 0,
    ) -> None:
        """`reply_days` is how long a reply of a chat model serves other runs; 0 shares none."""
        self._decides = decides
        self._reply_days = reply_days
        self._ledger = ledger
        self._store = store
        self._run_id = run_id
        self.epoch = epoch

    async def write(self, entry: Entry, also: Callable[[sa.Connection], T] = _nothing_more) -> T:
        # At once: while the body is stored, other agents of the run go on.
        saved, key, stored = entry.told().checkpoint, "", None
        if saved is not None:
            key = checkpoint_index.storage_key(self._run_id, saved.label, saved.version, self.epoch)
            stored = await self._store.put(key, saved.model_dump(mode="json"))

        def transaction(connection: sa.Connection) -> tuple[list[Event], T]:
            written = journal.append(
                connection, self._run_id, entry.drafts, epoch=self.epoch, **entry.changes
            )
            messages.keep(connection, self._run_id, entry.messages)
            for name, document in entry.restricted.items():
                restricted.keep(connection, self._run_id, name, document)
            if saved is not None and stored is not None:
                checkpoints.index(connection, saved, key, stored)
            return written, also(connection)

        written, outcome = await self._ledger.write(transaction)
        feed.publish(written)
        return outcome

    async def decide(self, content: Contract, letters: Letters = tuple) -> bool:
        """A replay finds the decision taken; an execution without the lease is refused.

        A what-if decides nothing: what it came to is in its last checkpoint. Raises
        AlreadyDecidedError when another run was first.
        """
        if not self._decides:
            return False
        written = letters()

        def enter(connection: sa.Connection) -> None:
            leases.require_lease(connection, self._run_id, self.epoch)
            decisions.enter(connection, self._run_id, content, written)

        await self._ledger.write(enter)
        return True

    async def schedule_retry(self, reason: Draft) -> bool:
        try:
            written = await self._ledger.write(
                retries.schedule_retry, self._run_id, self.epoch, reason
            )
        except UnavailableError:
            return True  # nothing can be written now; the worker says the same with the lease
        feed.publish(written or [])
        return written is not None

    async def stop(self) -> None:
        feed.publish(await self._ledger.write(cancellations.end, self._run_id, self.epoch))

    async def keep_answer(self, key: Callable[[], str], answer: Contract) -> None:
        place = f"answers/{self._run_id}/{key()}.json"
        await self._store.put(place, answer.model_dump(mode="json"))

    async def kept_answer(self, key: Callable[[], str]) -> dict[str, Any] | None:
        if self.epoch == 1:
            return None  # no execution came before the first one
        try:
            return await self._store.get(f"answers/{self._run_id}/{key()}.json")
        except CheckpointError:
            return None  # asking the agent again gives the same answer

    async def share_replies(self, replies: Mapping[str, Contract]) -> None:
        if self._reply_days and replies:
            await self._ledger.write(model_answers.keep, self._run_id, dict(replies))

    async def shared_reply(self, digest: str) -> dict[str, Any] | None:
        if not self._reply_days:
            return None
        return await self._ledger.read(model_answers.find, digest, self._reply_days)

    async def cleared(self, subjects: Collection[str], day: date) -> Mapping[str, str]:
        found = await self._ledger.read(clearances.confirmed, day, subjects)
        return found.valid(subjects, day)


class ResultRecord:
    """What an inline run comes to, and nothing of how it came there."""

    def __init__(self, confirmed: Confirmed | None = None) -> None:
        """`confirmed` is what the caller has read of the clearances; none by default."""
        self._confirmed = confirmed or Confirmed()
        self.epoch = 1
        self.restricted: dict[str, dict[str, Any]] = {}
        self.decision: Contract | None = None
        self.letters: Letters = tuple
        self._snapshot: Snapshot | None = None

    @property
    def last_checkpoint(self) -> Checkpoint | None:
        return self._snapshot.checkpoint if self._snapshot else None

    async def write(self, entry: Entry, also: Callable[[sa.Connection], T] = _nothing_more) -> Any:
        self.restricted.update(entry.restricted)
        self._snapshot = entry.snapshot or self._snapshot

    async def decide(self, content: Contract, letters: Letters = tuple) -> bool:
        self.decision, self.letters = content, letters
        return True

    async def schedule_retry(self, reason: Draft) -> bool:
        return False

    async def stop(self) -> None:
        """An inline run is not asked to stop; its caller may cancel it."""

    async def keep_answer(self, key: Callable[[], str], answer: Contract) -> None:
        """Nothing to keep: an inline run is not taken up again."""

    async def kept_answer(self, key: Callable[[], str]) -> dict[str, Any] | None:
        return None

    async def share_replies(self, replies: Mapping[str, Contract]) -> None:
        """Nothing to share: an inline run has no ledger."""

    async def shared_reply(self, digest: str) -> dict[str, Any] | None:
        return None

    async def cleared(self, subjects: Collection[str], day: date) -> Mapping[str, str]:
        return self._confirmed.valid(subjects, day)


class MemoryRecord(ResultRecord):
    """An inline run's whole journal, in memory."""

    def __init__(self, confirmed: Confirmed | None = None) -> None:
        super().__init__(confirmed)
        self.entries: list[Entry] = []

    @property
    def drafts(self) -> list[Draft]:
        return [draft for entry in self.entries for draft in entry.drafts]

    async def write(self, entry: Entry, also: Callable[[sa.Connection], T] = _nothing_more) -> Any:
        await super().write(entry, also)
        self.entries.append(entry.told())
