"""How a batch ends: completed, failed, or stopped on request; each end is written once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from data.contracts.events import Event, EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import batches, tables
from flows.runtime.ledger.batches import Batch


def request_cancel(connection: sa.Connection, batch_id: str) -> list[Event]:
    """Ask a batch to stop; one that no driver has begun stops at once.

    Its finished chunks stay as they are. Nothing happens to one that has ended.
    """
    known = batches.find(connection, batch_id, lock=True)
    if known.status not in batches.DRIVEN:
        return []
    this = tables.batches.c.batch_id == batch_id
    connection.execute(tables.batches.update().where(this).values(cancel_requested=True))
    return stop(connection, batch_id) if known.status is RunStatus.QUEUED else []


def stop(connection: sa.Connection, batch_id: str) -> list[Event]:
    """Write the end of a batch that was asked to stop, unless it has one."""
    known = batches.find(connection, batch_id, lock=True)
    if known.status not in batches.DRIVEN:
        return []
    told = batches.draft(
        known, EventType.RUN_CANCELLED, "Stopped on request", key=_next(known, "cancelled")
    )
    return batches.append(connection, known, [told], status=RunStatus.CANCELLED)


def shall_stop(connection: sa.Connection, batch_id: str) -> bool:
    """Whether a batch was asked to stop, or has ended already."""
    query = sa.select(tables.batches.c.cancel_requested, tables.batches.c.status)
    row = connection.execute(query.where(tables.batches.c.batch_id == batch_id)).one()
    return bool(row.cancel_requested) or RunStatus(row.status) not in batches.DRIVEN


def fail(connection: sa.Connection, batch_id: str, error: Mapping[str, Any]) -> list[Event]:
    """Write the bad end of a batch, unless it has an end."""
    known = batches.find(connection, batch_id, lock=True)
    if known.status.has_ended:
        return []
    told = batches.draft(
        known,
        EventType.RUN_FAILED,
        str(error["message"]),
        error,
        key=_next(known, "failed"),
    )
    return batches.append(connection, known, [told], status=RunStatus.FAILED, error=dict(error))


def complete(
    connection: sa.Connection, batch_id: str, message: str, meta: Mapping[str, Any]
) -> list[Event]:
    """Write the good end of a batch: every row is done, and people have ruled on the rest."""
    known = batches.find(connection, batch_id, lock=True)
    if known.status.has_ended:
        return []
    told = batches.draft(
        known, EventType.RUN_COMPLETED, message, meta, key="completed", progress=1.0
    )
    return batches.append(connection, known, [told], status=RunStatus.COMPLETED)


def _next(batch: Batch, what: str) -> str:
    """A key for something that may happen several times to a batch."""
    return f"{what}/{batch.last_event_id}"
