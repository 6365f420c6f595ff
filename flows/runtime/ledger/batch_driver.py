"""What the driver of a batch writes.

Each start of a driver raises `starts` by one, and every write of a driver names its start: a driver
that was given up, and comes back, writes nothing. A batch is `running` exactly while it has a
driver: the end of a driver that comes to one sets another status. One that is `running` when the
next driver begins had a driver that was lost.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import CreditDeskError, LeaseLostError
from data.contracts.events import Event, EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import batches, journal, tables
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import now

Plan = Sequence[Mapping[str, Any]]
"""Where each chunk of the file begins: what its task is called with."""


def begin(connection: sa.Connection, batch_id: str, flow_run_id: str, taken_over: int) -> Batch:
    """Start to drive a batch; every later write of this driver names `starts`."""
    note_loss(connection, batch_id)
    known = batches.find(connection, batch_id, lock=True)
    starts = known.starts + 1
    type_ = _begin_type(starts)
    message = f"Takes over {taken_over} finished chunks" if known.starts else "Batch started"
    meta = {"start": starts, "taken_over": taken_over}
    batches.append(
        connection,
        known,
        [batches.draft(known, type_, message, meta, key=_begin_key(starts))],
        status=RunStatus.RUNNING,
        starts=starts,
        taken_over=taken_over,
        flow_run_id=flow_run_id,
    )
    return batches.find(connection, batch_id)


def note_loss(connection: sa.Connection, batch_id: str) -> list[Event]:
    """Tell that the driver of a batch was lost; empty when there was none, or it came to an end."""
    known = batches.find(connection, batch_id, lock=True)
    if known.status is not RunStatus.RUNNING:
        return []
    lost = batches.draft(
        known,
        EventType.ERROR,
        "The driver was lost",
        {"code": "worker_lost", "start": known.starts},
        key=f"lost/{known.starts}",
    )
    return batches.append(connection, known, [lost])


def begin_of(connection: sa.Connection, batch: Batch) -> Event | None:
    """The event by which the latest driver of a batch told of its start."""
    return journal.find_by_key(connection, batch.batch_id, _begin_key(batch.starts))


def _begin_key(start: int) -> str:
    return f"{_begin_type(start)}/{start}"


def _begin_type(start: int) -> EventType:
    return EventType.RUN_RESUMED if start > 1 else EventType.RUN_STARTED


def interrupt(
    connection: sa.Connection, batch_id: str, start: int, error: CreditDeskError
) -> list[Event]:
    """End this driver because of an error that the next one may do without."""
    return tell(
        connection,
        batch_id,
        start,
        EventType.ERROR,
        f"Interrupted: {error.message}; goes on with the chunks that are left",
        {"code": error.code, "start": start},
        key=f"interrupted/{start}",
        status=RunStatus.QUEUED,
    )


def keep_plan(
    connection: sa.Connection, batch_id: str, start: int, chunks: Plan, rows: int, pinned: str
) -> None:
    """Fix where the chunks begin, and what all of them decide by."""
    body = zlib.compress(json.dumps(list(chunks), separators=(",", ":")).encode())
    require_driver(connection, batch_id, start)
    connection.execute(
        tables.batches.update()
        .where(tables.batches.c.batch_id == batch_id)
        .values(plan=body, chunks=len(chunks), rows=rows, pinned=pinned)
    )


def require_driver(connection: sa.Connection, batch_id: str, start: int) -> None:
    """Raise LeaseLostError unless this start still drives the batch."""
    mine = (
        (tables.batches.c.batch_id == batch_id)
        & (tables.batches.c.starts == start)
        & tables.batches.c.status.in_(batches.DRIVEN)
    )
    if not connection.execute(
        tables.batches.update().where(mine).values(updated_at=now())
    ).rowcount:
        raise LeaseLostError(f"batch {batch_id} is not driven by start {start} any more")


def tell(
    connection: sa.Connection,
    batch_id: str,
    start: int,
    type_: EventType,
    message: str,
    meta: Mapping[str, Any] | None = None,
    /,
    *,
    key: str,
    progress: float = 0.0,
    **changes: Any,
) -> list[Event]:
    """Write an event of the driver, and `changes` to the row. Raises LeaseLostError."""
    require_driver(connection, batch_id, start)
    known = batches.find(connection, batch_id)
    told = batches.draft(known, type_, message, meta, key=key, progress=progress)
    return batches.append(connection, known, [told], **changes)


def wait(connection: sa.Connection, batch_id: str, start: int, cases: int) -> list[Event]:
    """Note that every row is done and that people have to rule on some cases."""
    message = f"Every row is done; {cases} cases wait for people"
    meta = {"referred": cases}
    return tell(
        connection,
        batch_id,
        start,
        EventType.WAITING,
        message,
        meta,
        key="waiting",
        progress=1.0,
        status=RunStatus.WAITING,
    )


def keep_seconds(connection: sa.Connection, batch_id: str, seconds: float) -> None:
    """Note how long the drivers of a batch have worked so far."""
    this = tables.batches.c.batch_id == batch_id
    connection.execute(tables.batches.update().where(this).values(seconds=seconds))


def events_after(connection: sa.Connection, batch_id: str, number: int) -> list[Event]:
    """The events of a batch after a number."""
    found = journal.read(connection, batch_id, after=number)
    return [Event.model_validate_json(body) for body in found]
