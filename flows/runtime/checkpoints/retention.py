"""Retention: which checkpoints go, what stays of them, and whether index and storage agree.

Only runs that have ended lose anything, none under a legal hold does, and neither does what an
unfinished fork goes on from. The tombstone is written first: it keeps the digest, and a body
that outlives it is swept later like any body without an index row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.runs import Lineage, RunStatus
from data.settings import Settings
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import runs
from flows.runtime.ledger.database import Ledger, moment, now
from flows.runtime.ledger.tables import checkpoints
from flows.runtime.ledger.tables import runs as runs_table

CHECKPOINTS, ANSWERS = "checkpoints/", "answers/"
UNINDEXED_FOR = timedelta(hours=1)
"""How old a body without an index row must be: a younger one may be about to get its row."""

RECENT = timedelta(days=2)
"""How far back a round looks for stray bodies that is not thorough."""

_ASKED_AT_ONCE = 500
_ENDED = [status for status in RunStatus if status.has_ended]
_AT_ONCE = 100
"""How many tombstones one transaction writes: other writers wait for it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetentionPolicy:
    """What may go of runs that have ended; None sets no limit."""

    older_than: timedelta | None = None
    keep: int | None = None
    """The latest so many of each run stay, if they are not too old."""

    @classmethod
    def of(cls, settings: Settings) -> RetentionPolicy:
        days = settings.checkpoint_retention_days
        return cls(timedelta(days=days) if days else None, settings.checkpoint_keep or None)


class PurgeCandidate(Contract):
    """A checkpoint that the policy does not keep, and which of its limits says so."""

    run_id: str
    label: str
    version: int
    ordinal: int
    storage_key: str
    sha256: str
    bytes: int
    because: str
    """`age` or `count`."""

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.label}/{self.version}"


class StorageAudit(Contract):
    """Where index and storage disagree."""

    missing: tuple[str, ...] = ()
    """Keys that the index names and the storage does not have."""
    unindexed: tuple[str, ...] = ()
    """Keys that the storage has and the index does not name, or no longer."""
    listed: bool = True
    """Whether the storage could be listed; if not, nothing is said of it."""

    @property
    def agrees(self) -> bool:
        return self.listed and not self.missing and not self.unindexed


class PurgeReport(Contract):
    """What retention did, or would do."""

    purged: tuple[PurgeCandidate, ...] = ()
    kept: tuple[str, ...] = ()
    """Keys that should go and that the storage's block cannot delete."""
    swept: tuple[str, ...] = ()
    """Keys of bodies that belonged to nothing."""
    freed_bytes: int = 0
    """Of the purged checkpoints, before compression."""


def hold(connection: sa.Connection, run_id: str, *, held: bool) -> None:
    """Put a run under a legal hold, or release it. Raises RecordNotFoundError."""
    runs.find(connection, run_id)
    connection.execute(
        runs_table.update().where(runs_table.c.run_id == run_id).values(legal_hold=held)
    )


def plan(connection: sa.Connection, policy: RetentionPolicy) -> list[PurgeCandidate]:
    """Which checkpoints would go now, run by run, the oldest first."""
    found = [*_too_old(connection, policy), *_too_many(connection, policy)]
    # A checkpoint that is too old and one too many goes because of its age.
    candidates = {candidate.name: candidate for candidate in reversed(found)}
    needed = _gone_on_from(connection)
    by_run = sorted(
        candidates.values(), key=lambda candidate: (candidate.run_id, candidate.ordinal)
    )
    return [candidate for candidate in by_run if candidate.name not in needed]


def _too_old(connection: sa.Connection, policy: RetentionPolicy) -> list[PurgeCandidate]:
    if policy.older_than is None:
        return []
    old = _PURGEABLE.where(checkpoints.c.saved_at < moment(-policy.older_than.total_seconds()))
    return _candidates(connection, old, "age")


def _too_many(connection: sa.Connection, policy: RetentionPolicy) -> list[PurgeCandidate]:
    """Of each run, what is older than its latest ones. This reads the whole index."""
    if policy.keep is None:
        return []
    newer = sa.func.row_number().over(
        partition_by=checkpoints.c.run_id, order_by=checkpoints.c.ordinal.desc()
    )
    ranked = _PURGEABLE.add_columns(newer.label("place")).subquery()
    return _candidates(connection, sa.select(ranked).where(ranked.c.place > policy.keep), "count")


def _candidates(
    connection: sa.Connection, query: sa.Select[Any], because: str
) -> list[PurgeCandidate]:
    names = PurgeCandidate.model_fields.keys() - {"because"}
    return [
        PurgeCandidate.model_validate(
            {name: row._mapping[name] for name in names} | {"because": because}
        )
        for row in connection.execute(query)
    ]


async def purge(
    ledger: Ledger,
    store: CheckpointStore,
    policy: RetentionPolicy,
    *,
    dry_run: bool,
    thorough: bool = True,
) -> PurgeReport:
    """Purge what the policy does not keep and sweep what belongs to nothing.

    With `dry_run` nothing changes, and what is returned is what would go. A round that is not
    `thorough` looks for stray bodies among those of the last two days only: a body loses its row
    when its execution is killed, and the rounds come every few minutes. Raises UnavailableError
    when ledger or storage is out of reach; what went before that is gone.
    """
    candidates = await ledger.read(plan, policy)
    since = None if thorough else datetime.now(UTC) - RECENT
    stray = await _stray(ledger, store, since)
    stray += await _outlived(ledger, store, policy)
    if not await store.can_delete():
        return _report((), [*(candidate.storage_key for candidate in candidates), *stray], ())
    if dry_run:
        return _report(candidates, (), stray)
    purged: list[PurgeCandidate] = []
    for start in range(0, len(candidates), _AT_ONCE):
        purged_now = await ledger.write(_write_tombstones, candidates[start : start + _AT_ONCE])
        for candidate in purged_now:
            await store.delete(candidate.storage_key)
        purged += purged_now
    swept = [key for key in stray if await store.delete(key)]
    log.info("purged %d checkpoints, swept %d bodies", len(purged), len(swept))
    return _report(purged, (), swept)


async def audit_storage(ledger: Ledger, store: CheckpointStore) -> StorageAudit:
    """Compare the index of checkpoints with what their storage has."""
    stored = await store.keys(CHECKPOINTS)
    if stored is None:
        return StorageAudit(listed=False)
    indexed = await ledger.read(_indexed)
    return StorageAudit(
        missing=tuple(sorted(indexed - stored.keys())),
        unindexed=tuple(sorted(stored.keys() - indexed)),
    )


def _report(
    candidates: Iterable[PurgeCandidate], kept: Iterable[str], swept: Iterable[str]
) -> PurgeReport:
    purged = tuple(candidates)
    return PurgeReport(
        purged=purged,
        kept=tuple(kept),
        swept=tuple(swept),
        freed_bytes=sum(candidate.bytes for candidate in purged),
    )


def _write_tombstones(
    connection: sa.Connection, candidates: Iterable[PurgeCandidate]
) -> list[PurgeCandidate]:
    """Write the tombstones, unless a hold, a fork or a new life of the run came in between."""
    needed = _gone_on_from(connection)
    still = sa.exists().where(runs_table.c.run_id == checkpoints.c.run_id, _disposable())
    tombstone = checkpoints.update().where(checkpoints.c.purged_at.is_(None), still)

    def entomb(candidate: PurgeCandidate) -> bool:
        this = sa.and_(
            checkpoints.c.run_id == candidate.run_id,
            checkpoints.c.label == candidate.label,
            checkpoints.c.version == candidate.version,
            checkpoints.c.storage_key == candidate.storage_key,
        )
        return bool(connection.execute(tombstone.where(this).values(purged_at=now())).rowcount)

    return [
        candidate for candidate in candidates if candidate.name not in needed and entomb(candidate)
    ]


def _disposable() -> sa.ColumnElement[bool]:
    return runs_table.c.status.in_(_ENDED) & runs_table.c.legal_hold.is_(sa.false())


# A subquery and no join: the database then begins with the few old checkpoints by their index,
# and not with the many ended runs.
_PURGEABLE = sa.select(checkpoints).where(
    checkpoints.c.purged_at.is_(None),
    sa.exists().where(runs_table.c.run_id == checkpoints.c.run_id, _disposable()),
)


def _gone_on_from(connection: sa.Connection) -> set[str]:
    """The checkpoints from which forks that have not ended were made."""
    is_fork = runs_table.c.origin.like("fork:%")
    alive = sa.select(runs_table.c.lineage).where(is_fork, runs_table.c.status.in_(runs.LIVE))
    lineages = [
        Lineage.model_validate(told) for told in connection.execute(alive).scalars() if told
    ]
    return {f"{lineage.parent_run_id}/{lineage.forked_at}" for lineage in lineages}


async def _stray(ledger: Ledger, store: CheckpointStore, since: datetime | None) -> list[str]:
    """Bodies that no index row names, or only a tombstone."""
    bodies = await store.keys(CHECKPOINTS, since=since) or {}
    indexed = await _among(ledger, _indexed, bodies)
    purged = await _among(ledger, _purged_keys, bodies.keys() - indexed)
    held = await ledger.read(_held_runs)
    oldest = datetime.now(UTC) - UNINDEXED_FOR
    return sorted(
        key
        for key in bodies.keys() - indexed
        if (bodies[key] < oldest or key in purged) and _run_of(key) not in held
    )


async def _outlived(ledger: Ledger, store: CheckpointStore, policy: RetentionPolicy) -> list[str]:
    """Agents' answers that no execution will ask for again: their run has ended long ago."""
    if policy.older_than is None:
        return []
    answers = await store.keys(ANSWERS, before=datetime.now(UTC) - policy.older_than) or {}
    disposable = await _among(ledger, _disposable_runs, {_run_of(key) for key in answers})
    return sorted(key for key in answers if _run_of(key) in disposable)


async def _among(
    ledger: Ledger, found: Callable[[sa.Connection, Collection[str]], set[str]], keys: Iterable[str]
) -> set[str]:
    """Ask about many keys, some at a time: databases take a limited number of parameters."""
    asked, answer = list(keys), set[str]()
    for start in range(0, len(asked), _ASKED_AT_ONCE):
        answer |= await ledger.read(found, asked[start : start + _ASKED_AT_ONCE])
    return answer


def _indexed(connection: sa.Connection, keys: Collection[str] | None = None) -> set[str]:
    query = sa.select(checkpoints.c.storage_key).where(checkpoints.c.purged_at.is_(None))
    query = query if keys is None else query.where(checkpoints.c.storage_key.in_(keys))
    return set(connection.execute(query).scalars())


def _purged_keys(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    query = sa.select(checkpoints.c.storage_key).where(checkpoints.c.purged_at.is_not(None))
    return set(connection.execute(query.where(checkpoints.c.storage_key.in_(keys))).scalars())


def _disposable_runs(connection: sa.Connection, run_ids: Collection[str]) -> set[str]:
    query = sa.select(runs_table.c.run_id).where(_disposable(), runs_table.c.run_id.in_(run_ids))
    return set(connection.execute(query).scalars())


def _held_runs(connection: sa.Connection) -> set[str]:
    held = sa.select(runs_table.c.run_id).where(runs_table.c.legal_hold.is_(sa.true()))
    return set(connection.execute(held).scalars())


def _run_of(key: str) -> str:
    """Checkpoints and answers lie under their run: `<kind>/<run_id>/…`."""
    return key.split("/")[1]
