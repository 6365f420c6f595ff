"""The journal: what happened in a run, numbered without gaps, written before it is seen.

A draft becomes an event when its transaction commits. Its `key` says what happened in words
that a replay would choose again, so whatever is executed twice is written once and keeps its
number. Each entry's `chain` is the digest of the entry and of all before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from opentelemetry import trace
from prefect.events import emit_event

from data.contracts.base import canonical_json
from data.contracts.errors import RecordNotFoundError
from data.contracts.events import Event, EventStatus, EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import database, reviews
from flows.runtime.ledger.runs import Run, require_lease

_NAMESPACE = UUID("6f0d1f0e-5a0b-4a4e-9d43-0c6f1a4b7e11")

_STATUS = {
    EventType.WAITING: EventStatus.WAITING,
    EventType.HITL_REMINDED: EventStatus.WAITING,
    EventType.HITL_ESCALATED: EventStatus.WAITING,
    EventType.RUN_COMPLETED: EventStatus.DONE,
    EventType.RUN_CANCELLED: EventStatus.DONE,
    EventType.ERROR: EventStatus.ERROR,
    EventType.RUN_FAILED: EventStatus.ERROR,
}


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

    @property
    def status(self) -> EventStatus:
        return _STATUS.get(self.type, EventStatus.RUNNING)


def current_trace() -> tuple[str, str]:
    """The trace and span in whose name an event written now speaks, as hex."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def note(
    run: Run,
    key: str,
    type: EventType,
    message: str,
    meta: Mapping[str, Any],
    *,
    here: bool = False,
) -> Draft:
    """An event about a run that nobody executes; in the run's trace, or (`here`) the caller's."""
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

    With `epoch`, only while that lease is still the run's: a worker that was given up gets
    LeaseLostError and writes nothing. Progress never falls, whatever a replay computes. A run
    that ends asks nobody any more: its open request is closed with it, before its time is up.
    Returns only what is new; a draft whose key is in the journal already is passed over.
    """
    row = _lock(connection, run_id, epoch)
    seen = _keys_in_journal(connection, run_id, [draft.key for draft in drafts])
    last, chain, progress = row.last_event_id, row.chain, row.progress
    written: list[Event] = []
    rows: list[dict[str, Any]] = []
    for draft in drafts:
        if draft.key in seen:
            continue
        seen.add(draft.key)
        last, progress = last + 1, max(progress, round(draft.progress, 4))
        here = (draft.trace_id, draft.span_id) if draft.trace_id else current_trace()
        event = Event(
            id=last,
            run_id=run_id,
            ts=database.now(),
            type=draft.type,
            phase=draft.phase,
            status=draft.status,
            message=draft.message,
            progress=progress,
            step_progress=round(draft.step_progress, 4),
            trace_id=here[0],
            span_id=here[1],
            meta=dict(draft.meta),
        )
        body = canonical_json(event)
        chain = hashlib.sha256(chain.encode() + body).hexdigest()
        rows.append(
            {
                "run_id": run_id,
                "id": last,
                "key": draft.key,
                "body": body.decode(),
                "chain": chain,
            }
        )
        written.append(event)
    if rows:
        connection.execute(database.events.insert(), rows)
    connection.execute(
        database.runs.update()
        .where(database.runs.c.run_id == run_id)
        .values(last_event_id=last, chain=chain, progress=progress, **changes)
    )
    if "status" in changes and RunStatus(changes["status"]).has_ended:
        reviews.close(connection, run_id)
    return written


def _lock(connection: sa.Connection, run_id: str, epoch: int | None) -> sa.Row[Any, Any, Any]:
    runs = database.runs
    if epoch is not None:
        require_lease(connection, run_id, epoch)
    else:
        touch = runs.update().where(runs.c.run_id == run_id).values(updated_at=database.now())
        connection.execute(touch)
    row = connection.execute(
        sa.select(runs.c.last_event_id, runs.c.chain, runs.c.progress).where(
            runs.c.run_id == run_id
        )
    ).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no run {run_id}")
    return row


def is_told(connection: sa.Connection, run_id: str, key: str) -> bool:
    """Whether an event of this name is in the journal."""
    return bool(_keys_in_journal(connection, run_id, [key]))


def _keys_in_journal(connection: sa.Connection, run_id: str, keys: list[str]) -> set[str]:
    if not keys:
        return set()
    events = database.events
    found = connection.execute(
        sa.select(events.c.key).where(events.c.run_id == run_id, events.c.key.in_(keys))
    )
    return set(found.scalars())


def read(connection: sa.Connection, run_id: str, *, after: int = 0, limit: int = 500) -> list[str]:
    """The journal's bodies after an id, oldest first, as the JSON that was written."""
    events = database.events
    return list(
        connection.execute(
            sa.select(events.c.body)
            .where(events.c.run_id == run_id, events.c.id > after)
            .order_by(events.c.id)
            .limit(limit)
        ).scalars()
    )


def heads(connection: sa.Connection, run_ids: Iterable[str]) -> dict[str, int]:
    """How far each of these journals goes: one query, however many runs are followed."""
    runs = database.runs
    found = connection.execute(
        sa.select(runs.c.run_id, runs.c.last_event_id).where(runs.c.run_id.in_(list(run_ids)))
    )
    return {row.run_id: row.last_event_id for row in found}


def publish(events: Iterable[Event], *, automation: str = "desk") -> None:
    """Tell Prefect's event feed, which wakes whoever follows. A lost one is read from the journal.

    The id follows from the run and the number, so an event told twice is known as one.
    """
    for event in events:
        emit_event(
            event=f"{automation}.{event.type}",
            resource={
                "prefect.resource.id": f"{automation}.run.{event.run_id}",
                "prefect.resource.name": event.phase or event.type.value,
                f"{automation}.gate": str(event.meta.get("gate", "")),
            },
            related=[
                {
                    "prefect.resource.id": f"prefect.flow-run.{event.run_id}",
                    "prefect.resource.role": "flow-run",
                }
            ],
            payload=event.model_dump(mode="json"),
            id=uuid5(_NAMESPACE, f"{event.run_id}:{event.id}"),
            occurred=event.ts,
        )
