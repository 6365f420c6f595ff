"""The register of batches: which file, where it stands, who drives it.

The process that executes a batch is its driver (`flows/runtime/ledger/batch_driver.py`). What a
batch decides does not rest on there being one driver only: a chunk is finished once, whichever
process comes with it (`flows/runtime/ledger/chunks.py`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self
from uuid import UUID, uuid5

import sqlalchemy as sa

from data.contracts.base import canonical_json
from data.contracts.errors import RecordNotFoundError
from data.contracts.events import Event, EventType
from data.contracts.review import Person
from data.contracts.runs import RunStatus
from flows.runtime.ledger import journal
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.runs import Place
from flows.runtime.ledger.tables import batches

_NAMESPACE = UUID("5f1f5a0e-52b3-4a9b-8f43-1d0a5f5a7f51")

DRIVEN = (RunStatus.QUEUED, RunStatus.RUNNING)
"""A batch in one of these states needs a driver."""


@dataclass(frozen=True)
class Batch:
    """One row of the register, without its plan."""

    batch_id: str
    sha256: str
    path: str
    file_name: str
    is_copy: bool
    options: Mapping[str, Any]
    status: RunStatus
    flow_run_id: str
    starts: int
    taken_over: int
    seconds: float
    pinned: str
    chunks: int
    rows: int
    error: Mapping[str, Any] | None
    cancel_requested: bool
    traceparent: str
    submitted_by: str
    submitted_by_principal: str
    created_at: str
    updated_at: str
    progress: float
    last_event_id: int
    chain: str

    @property
    def person(self) -> Person:
        """The person who submitted it."""
        return Person(name=self.submitted_by, principal=self.submitted_by_principal)

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1] if self.traceparent else ""

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        return cls(**{**row._mapping, "status": RunStatus(row.status)})


_COLUMNS = [batches.c[field.name] for field in fields(Batch)]


def batch_id_of(sha256: str, options: Mapping[str, Any]) -> str:
    """The id of a batch: the same content and options give the same one."""
    return str(uuid5(_NAMESPACE, sha256 + canonical_json(dict(options)).decode()))


def register(
    connection: sa.Connection,
    sha256: str,
    options: Mapping[str, Any],
    *,
    path: str,
    file_name: str,
    is_copy: bool,
    submitted_by: Person,
    traceparent: str = "",
    flow_run_id: str = "",
) -> tuple[Batch, bool]:
    """Enter a batch; True when it has to be driven because of this call.

    `flow_run_id` is the flow run that will drive it, if there is one already.
    The same content and options are the same batch. One that failed or was cancelled goes on from
    its finished chunks, unless no row of its file was good.
    """
    batch_id = batch_id_of(sha256, options)
    blank: dict[str, Any] = dict.fromkeys(("chunks", "rows", "starts", "taken_over"), 0)
    blank |= dict.fromkeys(("pinned", "chain"), "")
    row = blank | {
        "batch_id": batch_id,
        "sha256": sha256,
        "path": path,
        "file_name": file_name,
        "is_copy": is_copy,
        "flow_run_id": flow_run_id,
        "options": dict(options),
        "status": RunStatus.QUEUED,
        "seconds": 0.0,
        "plan": b"",
        "cancel_requested": False,
        "traceparent": traceparent,
        "submitted_by": submitted_by.name,
        "submitted_by_principal": submitted_by.principal,
        "created_at": now(),
        "updated_at": now(),
        "progress": 0.0,
        "last_event_id": 0,
    }
    if insert_or_ignore(connection, batches, row):
        return find(connection, batch_id), True
    return _again(connection, batch_id, path=path, is_copy=is_copy, flow_run_id=flow_run_id)


def _again(connection: sa.Connection, batch_id: str, **changes: Any) -> tuple[Batch, bool]:
    known = find(connection, batch_id, lock=True)
    is_stopped = known.status is RunStatus.CANCELLED or (
        known.status is RunStatus.FAILED and (known.error or {}).get("code") != NO_GOOD_ROW
    )
    if not is_stopped:
        return known, False
    told = draft(
        known, EventType.RUN_RESUMED, "Submitted again", key=f"again/{known.last_event_id}"
    )
    append(
        connection,
        known,
        [told],
        status=RunStatus.QUEUED,
        error=None,
        cancel_requested=False,
        **changes,
    )
    return find(connection, batch_id), True


NO_GOOD_ROW = "no_good_row"
"""The code of the failure of a batch whose file has no good row."""


def find(connection: sa.Connection, batch_id: str, *, lock: bool = False) -> Batch:
    """One batch. Raises RecordNotFoundError. With `lock`, no other transaction changes it."""
    query = sa.select(*_COLUMNS).where(batches.c.batch_id == batch_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no batch {batch_id}")
    return Batch.of(row)


def beginning(connection: sa.Connection, begins: str) -> Batch:
    """The one batch whose id begins like this. Raises RecordNotFoundError when it is not one."""
    query = sa.select(*_COLUMNS).where(batches.c.batch_id.startswith(begins, autoescape=True))
    found = [Batch.of(row) for row in connection.execute(query.limit(2))]
    if len(found) != 1 or not begins:
        how_many = "several batches begin with" if found else "there is no batch"
        raise RecordNotFoundError(f"{how_many} {begins}")
    return found[0]


def page(connection: sa.Connection, *, limit: int, before: Place | None = None) -> list[Batch]:
    """Batches, newest first; `before` is the place of the last one seen."""
    order = (batches.c.created_at.desc(), batches.c.batch_id.desc())
    query = sa.select(*_COLUMNS).order_by(*order).limit(limit)
    if before:
        place = sa.tuple_(batches.c.created_at, batches.c.batch_id)
        query = query.where(place < sa.tuple_(*before))
    return [Batch.of(row) for row in connection.execute(query)]


def without_end(connection: sa.Connection) -> list[Batch]:
    """The batches that need a driver, the oldest first."""
    return _in_status(connection, DRIVEN)


def with_reviews(connection: sa.Connection) -> list[Batch]:
    """The batches of which every row is done and some cases wait for people, the oldest first."""
    return _in_status(connection, (RunStatus.WAITING,))


def _in_status(connection: sa.Connection, statuses: Sequence[RunStatus]) -> list[Batch]:
    query = sa.select(*_COLUMNS).where(batches.c.status.in_(statuses))
    order = (batches.c.created_at, batches.c.batch_id)
    return [Batch.of(row) for row in connection.execute(query.order_by(*order))]


def plan(connection: sa.Connection, batch_id: str) -> list[dict[str, Any]]:
    """Where each chunk begins; empty until the file was indexed."""
    query = sa.select(batches.c.plan).where(batches.c.batch_id == batch_id)
    body: bytes = connection.execute(query).scalar_one()
    return list(json.loads(zlib.decompress(body))) if body else []


def map_to_flow_run(
    connection: sa.Connection, batch_id: str, flow_run_id: str, *, seen: str
) -> bool:
    """Note which flow run drives a batch; False when that is not `seen` any more."""
    this = (batches.c.batch_id == batch_id) & (batches.c.flow_run_id == seen)
    mapped = connection.execute(batches.update().where(this).values(flow_run_id=flow_run_id))
    return bool(mapped.rowcount)


def append(
    connection: sa.Connection, known: Batch, drafts: Sequence[Draft], **changes: Any
) -> list[Event]:
    """Write drafts to the journal of a batch whose row the caller has locked, and `changes` to the
    row."""
    head, written = journal.enter(
        connection,
        journal.Head(
            known.batch_id,
            known.flow_run_id,
            known.traceparent,
            known.last_event_id,
            known.chain,
            known.progress,
        ),
        drafts,
    )
    told = {"last_event_id": head.last_id, "chain": head.chain, "progress": head.progress}
    connection.execute(
        batches.update()
        .where(batches.c.batch_id == known.batch_id)
        .values(updated_at=now(), **told, **changes)
    )
    return written


def draft(
    batch: Batch,
    type_: EventType,
    message: str,
    meta: Mapping[str, Any] | None = None,
    *,
    key: str,
    progress: float = 0.0,
) -> Draft:
    """An event in the trace of a batch, and in the name of the current span where that is in it."""
    phase = "reviews" if batch.status is RunStatus.WAITING else "chunks"
    trace_id, span_id = journal.current_trace()
    return Draft(
        key=key,
        type=type_,
        phase=phase,
        message=message,
        progress=max(progress, batch.progress),
        step_progress=progress if phase == "chunks" else 0.0,
        meta=dict(meta or {}),
        trace_id=batch.trace_id,
        span_id=span_id if trace_id == batch.trace_id else "0" * 16,
    )
