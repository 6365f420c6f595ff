"""The journal: what happened in a run, numbered without gaps, written before it is seen.

A draft becomes an event when its transaction commits. Its `key` says what happened in words that a
replay would choose again: an event of a stage that is executed twice is written once and keeps its
number. Each entry's `chain` is the digest of the entry and of all before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
from opentelemetry import propagate, trace
from pydantic import Field

from data.contracts.base import Contract, canonical_json
from data.contracts.errors import RecordNotFoundError
from data.contracts.events import TERMINAL, Event, EventStatus, EventType
from data.contracts.review import Review
from data.contracts.runs import RunStatus
from data.metrics import RUNS_ENDED
from flows.runtime.host.promised_spans import promise
from flows.runtime.ledger import figures, outbox, reviews, tables
from flows.runtime.ledger.database import now
from flows.runtime.ledger.figures import Observation
from flows.runtime.ledger.leases import require_lease
from flows.runtime.ledger.runs import Run

_STATUS = {
    EventType.WAITING: EventStatus.WAITING,
    EventType.HITL_REMINDED: EventStatus.WAITING,
    EventType.HITL_ESCALATED: EventStatus.WAITING,
    EventType.HITL_SNOOZED: EventStatus.WAITING,
    EventType.HITL_WOKEN: EventStatus.WAITING,
    EventType.RUN_COMPLETED: EventStatus.DONE,
    EventType.RUN_CANCELLED: EventStatus.DONE,
    EventType.ERROR: EventStatus.ERROR,
    EventType.RUN_FAILED: EventStatus.ERROR,
}


class Journaled(StrEnum):
    """What has a journal. The ids of runs and batches differ."""

    RUN = "run"
    BATCH = "batch"


@dataclass(frozen=True)
class Draft:
    """An event about to be written."""

    key: str
    type: EventType
    phase: str
    message: str
    progress: float
    step_progress: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    waits: bool = False
    """Whether the run waits for a person when this happens."""

    @property
    def status(self) -> EventStatus:
        return _STATUS.get(self.type, EventStatus.WAITING if self.waits else EventStatus.RUNNING)


def current_trace() -> tuple[str, str]:
    """The trace and span in whose name an event written now speaks, as hex."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def promised_traceparent() -> str:
    """The span under way, for a run or a batch to remember: no kill of this process loses it."""
    promise(trace.get_current_span())
    return current_traceparent()


def current_traceparent() -> str:
    """The span under way, as W3C spells it; empty without one."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")


def draft_event(
    run: Run,
    key: str,
    type: EventType,
    message: str,
    meta: Mapping[str, Any],
    *,
    here: bool = False,
) -> Draft:
    """An event about a run that is not executed now, in its trace or (`here`) the caller's."""
    trace_id, span_id = current_trace() if here else (run.trace_id, "0" * 16)
    return Draft(
        key=key,
        type=type,
        phase=run.phase,
        message=message,
        progress=run.progress,
        meta=meta,
        trace_id=trace_id,
        span_id=span_id if trace_id else "",
        waits=run.status is RunStatus.WAITING,
    )


def append(
    connection: sa.Connection,
    run_id: str,
    drafts: Sequence[Draft],
    /,
    *,
    epoch: int | None = None,
    **changes: Any,
) -> list[Event]:
    """Write drafts to the run's journal, and `changes` to its row, in the caller's transaction.

    With `epoch`, only while that lease is still the run's: a worker that lost its lease gets
    LeaseLostError and writes nothing. A run that ends asks nothing any more: its open request is
    closed with it, before its time is up. Returns only what is new; a draft whose key is in the
    journal already is passed over.
    """
    head, written = enter(connection, _lock(connection, run_id, epoch), drafts)
    outbox.put(connection, written)
    figures.observe_events(connection, written)
    connection.execute(
        tables.runs.update()
        .where(tables.runs.c.run_id == run_id)
        .values(
            last_event_id=head.last_id,
            chain=head.chain,
            progress=head.progress,
            **_stored(changes),
        )
    )
    if "status" in changes and RunStatus(changes["status"]).has_ended:
        asked = reviews.close(connection, run_id)
        written = [_with_waits(event, asked) for event in written]
        status = RunStatus(changes["status"]).value
        figures.observe(connection, [Observation(RUNS_ENDED, (status,), trace_id=head.trace_id)])
    return written


class AppendedEvent(Event):
    """An event that was just appended, with the flow run that carries out its run."""

    flow_run_id: Annotated[str, Field(exclude=True)] = ""
    """For Prefect's feed alone: the journal does not keep it, a run may get another one."""
    traceparent: Annotated[str, Field(exclude=True)] = ""
    given_up: Annotated[tuple[Review, ...], Field(exclude=True)] = ()
    """The requests that were open when this event ended the run."""


def _with_waits(event: Event, asked: Sequence[Review]) -> Event:
    """The event, with the open requests of the run if it is the one that has ended the run."""
    if event.type not in TERMINAL:
        return event
    return event.model_copy(update={"given_up": tuple(asked)})


@dataclass(frozen=True)
class Head:
    """Where a journal ends: number and digest of its last entry, and the progress so far."""

    run_id: str
    """The run that the journal is about, or the batch."""
    flow_run_id: str
    traceparent: str
    last_id: int
    chain: str
    progress: float

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1] if self.traceparent else ""


def enter(
    connection: sa.Connection, head: Head, drafts: Sequence[Draft]
) -> tuple[Head, list[Event]]:
    """Write drafts behind the head of a journal that the caller has locked; the new head, too.

    The caller stores the head. A draft whose key is in the journal already is passed over.
    """
    entries = _entries(head, _new(connection, head.run_id, drafts))
    if entries:
        connection.execute(tables.events.insert(), [entry.as_row() for entry in entries])
        head = entries[-1].head
    return head, [entry.event for entry in entries]


@dataclass(frozen=True)
class _Entry:
    """One line of the journal about to be written, and where the journal ends with it."""

    key: str
    event: Event
    body: bytes
    head: Head

    def as_row(self) -> dict[str, Any]:
        return {
            "run_id": self.event.run_id,
            "id": self.event.id,
            "key": self.key,
            "body": self.body.decode(),
            "chain": self.head.chain,
        }


def _new(connection: sa.Connection, run_id: str, drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts that are not in the journal yet, each key once.

    A stage that is executed again drafts the same events under the same keys: they keep the
    number that they got the first time.
    """
    seen = _keys_in_journal(connection, run_id, [draft.key for draft in drafts])
    new: list[Draft] = []
    for draft in drafts:
        if draft.key not in seen:
            seen.add(draft.key)
            new.append(draft)
    return new


def _entries(head: Head, drafts: Sequence[Draft]) -> list[_Entry]:
    """Number drafts, chain them, and let progress never fall: a replay may compute less."""
    entries: list[_Entry] = []
    for draft in drafts:
        progress = max(head.progress, round(draft.progress, 4))
        event = _event(head, progress, draft)
        body = canonical_json(event)
        chain = hashlib.sha256(head.chain.encode() + body).hexdigest()
        head = replace(head, last_id=event.id, chain=chain, progress=progress)
        entries.append(_Entry(draft.key, event, body, head))
    return entries


def _event(head: Head, progress: float, draft: Draft) -> AppendedEvent:
    trace_id, span_id = (draft.trace_id, draft.span_id) if draft.trace_id else current_trace()
    return AppendedEvent(
        id=head.last_id + 1,
        run_id=head.run_id,
        flow_run_id=head.flow_run_id,
        traceparent=head.traceparent,
        ts=now(),
        type=draft.type,
        phase=draft.phase,
        status=draft.status,
        message=draft.message,
        progress=progress,
        step_progress=round(draft.step_progress, 4),
        trace_id=trace_id,
        span_id=span_id,
        meta=dict(draft.meta),
    )


def _stored(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as the database takes them: contracts as JSON, without what is their default."""
    return {
        name: value.model_dump(mode="json", exclude_defaults=True)
        if isinstance(value, Contract)
        else value
        for name, value in changes.items()
    }


def _lock(connection: sa.Connection, run_id: str, epoch: int | None) -> Head:
    """Lock the run's row until the transaction ends: journals are written one after another."""
    runs = tables.runs
    if epoch is not None:
        require_lease(connection, run_id, epoch)
    else:
        touch = runs.update().where(runs.c.run_id == run_id).values(updated_at=now())
        connection.execute(touch)
    row = connection.execute(
        sa.select(
            runs.c.run_id,
            runs.c.flow_run_id,
            runs.c.traceparent,
            runs.c.last_event_id,
            runs.c.chain,
            runs.c.progress,
        ).where(runs.c.run_id == run_id)
    ).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no run {run_id}")
    return Head(*row)


def is_told(connection: sa.Connection, run_id: str, key: str) -> bool:
    """Whether an event of this name is in the journal."""
    return bool(_keys_in_journal(connection, run_id, [key]))


def _keys_in_journal(connection: sa.Connection, run_id: str, keys: list[str]) -> set[str]:
    if not keys:
        return set()
    events = tables.events
    found = connection.execute(
        sa.select(events.c.key).where(events.c.run_id == run_id, events.c.key.in_(keys))
    )
    return set(found.scalars())


def read(connection: sa.Connection, run_id: str, *, after: int = 0, limit: int = 500) -> list[str]:
    """The journal's bodies after an id, oldest first, as the JSON that was written."""
    events = tables.events
    return list(
        connection.execute(
            sa.select(events.c.body)
            .where(events.c.run_id == run_id, events.c.id > after)
            .order_by(events.c.id)
            .limit(limit)
        ).scalars()
    )


def with_text(connection: sa.Connection, run_id: str, text: str) -> list[Event]:
    """The events of a run whose stored form has a text, such as the name of a field."""
    events = tables.events
    has_text = events.c.body.contains(text, autoescape=True)
    query = sa.select(events.c.body).where(events.c.run_id == run_id, has_text)
    found = connection.execute(query.order_by(events.c.id)).scalars()
    return [Event.model_validate_json(body) for body in found]


def find(connection: sa.Connection, run_id: str, number: int) -> Event:
    """One event of a run. Raises RecordNotFoundError."""
    this = (tables.events.c.run_id == run_id) & (tables.events.c.id == number)
    body = connection.execute(sa.select(tables.events.c.body).where(this)).scalar_one_or_none()
    if body is None:
        raise RecordNotFoundError(f"run {run_id} has no event {number}")
    return Event.model_validate_json(body)


def find_by_key(connection: sa.Connection, run_id: str, key: str) -> Event | None:
    """The event of this name in the journal of a run or a batch."""
    this = (tables.events.c.run_id == run_id) & (tables.events.c.key == key)
    body = connection.execute(sa.select(tables.events.c.body).where(this)).scalar_one_or_none()
    return None if body is None else Event.model_validate_json(body)


def heads(connection: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    """How far each of these journals goes: one query, however many runs and batches."""
    wanted = list(ids)
    found = connection.execute(
        sa.union_all(
            *(
                sa.select(key, table.c.last_event_id).where(key.in_(wanted))
                for key, table in _JOURNALED.values()
            )
        )
    )
    return {row[0]: row[1] for row in found}


def standing(
    connection: sa.Connection, subject_id: str, kind: Journaled | None = None
) -> tuple[int, bool]:
    """How far the journal of a run or a batch goes, and whether the run or batch has ended.

    Raises RecordNotFoundError when there is none of this kind, or of any kind without one.
    """
    for name, (key, table) in _JOURNALED.items():
        if kind not in {None, name}:
            continue
        this = sa.select(table.c.last_event_id, table.c.status).where(key == subject_id)
        if (found := connection.execute(this).one_or_none()) is not None:
            return found.last_event_id, RunStatus(found.status).has_ended
    raise RecordNotFoundError(f"there is no {kind or Journaled.RUN} {subject_id}")


_JOURNALED = {
    Journaled.RUN: (tables.runs.c.run_id, tables.runs),
    Journaled.BATCH: (tables.batches.c.batch_id, tables.batches),
}
