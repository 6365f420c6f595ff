"""The register of runs: who asked, who executes, where it stands.

A run is executed under a lease: an owner, an epoch that grows with every change of hands, and
an end. Every write of an execution names its epoch (`events.append`), so a worker that was
given up and comes back writes nothing. The API writes without a lease; both take the row's lock.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from data.contracts.base import Contract, canonical_json, sha256_of
from data.contracts.errors import ConflictError, LeaseLostError, RecordNotFoundError
from data.contracts.runs import RunStatus
from flows.runtime.ledger.database import applications, blobs, insert_or_ignore, now, papers, runs

LIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING)

Place = tuple[str, str]
"""When a run was entered, and its id: the order of the register."""


@dataclass(frozen=True)
class Run:
    """One row of the register."""

    run_id: str
    application_id: str
    origin: str
    workflow_version: str
    status: RunStatus
    phase: str
    progress: float
    options: Mapping[str, Any]
    versions: Mapping[str, Any]
    state: Mapping[str, Any]
    error: Mapping[str, Any] | None
    traceparent: str
    lineage: Mapping[str, Any] | None
    deaths: Mapping[str, Any]
    cancel_requested: bool
    legal_hold: bool
    submitted_by: str
    created_at: str
    updated_at: str
    last_event_id: int
    chain: str
    lease_owner: str | None
    lease_epoch: int
    lease_until: str

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1] if self.traceparent else ""

    @property
    def is_alone(self) -> bool:
        """Whether workers have died of it, so that it is executed by itself."""
        return bool(self.deaths.get("alone"))

    @property
    def not_before(self) -> datetime | None:
        """When to try again, after a setback."""
        told = self.deaths.get("not_before")
        return datetime.fromisoformat(told) if told else None

    @property
    def place(self) -> Place:
        return self.created_at, self.run_id

    @classmethod
    def of(cls, row: sa.Row[Any, Any, Any]) -> Run:
        return cls(**{**row._mapping, "status": RunStatus(row.status)})


def accept(
    connection: sa.Connection,
    application_id: str,
    content_sha256: str,
    body: bytes,
    order: Mapping[str, Any],
) -> None:
    """Put an application into the vault, unless the very same one is there already.

    Raises ConflictError when another content is filed under that id.
    """
    insert_or_ignore(
        connection,
        applications,
        {
            "application_id": application_id,
            "content_sha256": content_sha256,
            "body": zlib.compress(body),
            "order": dict(order),
            "received_at": now(),
        },
    )
    filed = connection.execute(
        sa.select(applications.c.content_sha256).where(
            applications.c.application_id == application_id
        )
    ).scalar_one()
    if filed != content_sha256:
        raise ConflictError(f"another application is filed under {application_id}")


@dataclass(frozen=True)
class Filed:
    """What the vault holds under an application's id."""

    body: bytes
    papers: tuple[bytes, ...] = ()
    """What was handed in later, in that order."""


def filed(connection: sa.Connection, application_id: str) -> Filed:
    """The application as it was accepted, and its later papers. Raises RecordNotFoundError."""
    body = connection.execute(
        sa.select(applications.c.body).where(applications.c.application_id == application_id)
    ).scalar_one_or_none()
    if body is None:
        raise RecordNotFoundError("there is no application of this id")
    later = connection.execute(
        sa.select(papers.c.body)
        .where(papers.c.application_id == application_id)
        .order_by(papers.c.filed_at, papers.c.paper_id)
    ).scalars()
    return Filed(zlib.decompress(body), tuple(zlib.decompress(paper) for paper in later))


def file_paper(
    connection: sa.Connection, application_id: str, paper_id: str, body: bytes, by: str
) -> bool:
    """Add a paper to an application's file; False when the very same one is there already.

    Raises ConflictError when another paper is filed under that id.
    """
    this = sa.select(papers.c.body).where(
        papers.c.application_id == application_id, papers.c.paper_id == paper_id
    )
    is_new = connection.execute(this).one_or_none() is None
    insert_or_ignore(
        connection,
        papers,
        {
            "application_id": application_id,
            "paper_id": paper_id,
            "body": zlib.compress(body),
            "filed_by": by,
            "filed_at": now(),
        },
    )
    if zlib.decompress(connection.execute(this).scalar_one()) != body:
        raise ConflictError("another paper is filed under that id")
    return is_new


def paper_ids(connection: sa.Connection, run_id: str) -> set[str]:
    """The ids of what was handed in later for the application that a run is about."""
    later = sa.select(papers.c.paper_id).join(
        runs, runs.c.application_id == papers.c.application_id
    )
    return set(connection.execute(later.where(runs.c.run_id == run_id)).scalars())


def register(connection: sa.Connection, run_id: str, origin: str, /, **fields: Any) -> Run:
    """Enter a run, once per origin: whoever comes second reads what the first entered."""
    blank: dict[str, Any] = {
        "status": RunStatus.QUEUED,
        "options": {},
        "versions": {},
        "state": {},
        "deaths": {},
        "created_at": now(),
        "updated_at": now(),
    }
    insert_or_ignore(connection, runs, {**blank, **fields, "run_id": run_id, "origin": origin})
    row = connection.execute(sa.select(runs).where(runs.c.origin == origin)).one()
    return Run.of(row)


def find(connection: sa.Connection, run_id: str, *, lock: bool = False) -> Run:
    """Raises RecordNotFoundError when there is no such run. With `lock`, nobody else changes it
    before the end of the transaction."""
    query = sa.select(runs).where(runs.c.run_id == run_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no run {run_id}")
    return Run.of(row)


def find_all(connection: sa.Connection, run_ids: list[str]) -> dict[str, Run]:
    """Those of these runs that are entered, by id."""
    found = connection.execute(sa.select(runs).where(runs.c.run_id.in_(run_ids)))
    return {row.run_id: Run.of(row) for row in found}


def find_by_origin(connection: sa.Connection, origin: str) -> Run | None:
    row = connection.execute(sa.select(runs).where(runs.c.origin == origin)).one_or_none()
    return Run.of(row) if row else None


def page(
    connection: sa.Connection,
    *,
    limit: int,
    before: Place | None = None,
    **equal: str | None,
) -> list[Run]:
    """Runs, newest first; `before` is the place of the last one seen."""
    query = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.run_id.desc()).limit(limit)
    for name, value in equal.items():
        if value is not None:
            query = query.where(runs.c[name] == value)
    if before:
        query = query.where(sa.tuple_(runs.c.created_at, runs.c.run_id) < sa.tuple_(*before))
    return [Run.of(row) for row in connection.execute(query)]


def without_run(connection: sa.Connection) -> list[sa.Row[Any, Any, Any]]:
    """Applications that were accepted and whose run was never entered."""
    origins = sa.literal("application:") + applications.c.application_id
    return list(
        connection.execute(
            sa.select(applications.c.application_id, applications.c.order)
            .outerjoin(runs, runs.c.origin == origins)
            .where(runs.c.run_id.is_(None))
        )
    )


def claim(connection: sa.Connection, run_id: str, owner: str, seconds: float) -> int | None:
    """Take the lease of a live run; its epoch.

    None when it is held, shall stop, has ended or does not exist.
    """
    free = runs.c.lease_owner.is_(None) | (runs.c.lease_until < now())
    wanted = runs.c.status.in_(LIVE) & runs.c.cancel_requested.is_(sa.false())
    taken = connection.execute(
        runs.update()
        .where(runs.c.run_id == run_id, wanted, free)
        .values(
            lease_owner=owner,
            lease_epoch=runs.c.lease_epoch + 1,
            lease_until=moment(seconds),
            status=RunStatus.RUNNING,
            updated_at=now(),
        )
    )
    if taken.rowcount == 0:
        return None
    epoch: int = connection.execute(
        sa.select(runs.c.lease_epoch).where(runs.c.run_id == run_id)
    ).scalar_one()
    return epoch


def renew(connection: sa.Connection, owner: str, seconds: float) -> set[str]:
    """Keep all leases of an owner; returns the runs it still holds."""
    held = runs.c.lease_owner == owner
    connection.execute(runs.update().where(held).values(lease_until=moment(seconds)))
    return set(connection.execute(sa.select(runs.c.run_id).where(held)).scalars())


def release(connection: sa.Connection, run_id: str, epoch: int) -> None:
    """Give the lease back; what is still marked as running goes back to the queue."""
    mine = (runs.c.run_id == run_id) & (runs.c.lease_epoch == epoch)
    connection.execute(runs.update().where(mine).values(lease_owner=None, lease_until=""))
    connection.execute(
        runs.update()
        .where(mine, runs.c.status == RunStatus.RUNNING)
        .values(status=RunStatus.QUEUED)
    )


def require_lease(connection: sa.Connection, run_id: str, epoch: int) -> None:
    """Raise LeaseLostError unless this execution still holds the run, and it has not ended.

    A worker that was given up holds nothing, also before somebody else takes the run; and after
    the end of a run no execution writes anything, another end least of all.
    """
    mine = sa.and_(
        runs.c.run_id == run_id,
        runs.c.lease_epoch == epoch,
        runs.c.lease_owner.is_not(None),
        runs.c.status.in_(LIVE),
    )
    if not connection.execute(runs.update().where(mine).values(updated_at=now())).rowcount:
        raise LeaseLostError(f"run {run_id} is not executed under lease {epoch} any more")


def leased(connection: sa.Connection) -> list[Run]:
    """Runs that some worker holds, or held when it fell silent."""
    held = runs.c.lease_owner.is_not(None)
    return [Run.of(row) for row in connection.execute(sa.select(runs).where(held))]


def ask_to_stop(connection: sa.Connection, run_id: str) -> bool:
    """Note that a run shall stop; False when it has ended, or there is none."""
    live = (runs.c.run_id == run_id) & runs.c.status.in_(LIVE)
    asked = connection.execute(runs.update().where(live).values(cancel_requested=True))
    return bool(asked.rowcount)


def has_stopped(connection: sa.Connection, run_id: str) -> None:
    connection.execute(runs.update().where(runs.c.run_id == run_id).values(cancel_requested=False))


def to_be_stopped(connection: sa.Connection) -> list[Run]:
    """Runs whose cancellation was asked for and is not known to have arrived."""
    asked = sa.select(runs).where(runs.c.cancel_requested.is_(sa.true()))
    return [Run.of(row) for row in connection.execute(asked)]


def queued(connection: sa.Connection) -> list[Run]:
    """Runs that nobody executes and that are due to be, however many."""
    idle = (runs.c.status == RunStatus.QUEUED) & runs.c.lease_owner.is_(None)
    return [Run.of(row) for row in connection.execute(sa.select(runs).where(idle))]


def waiting(connection: sa.Connection, after: str, most: int) -> list[Run]:
    """The next runs, by id, that wait for somebody; from the first again after the last."""
    idle = (runs.c.status == RunStatus.WAITING) & runs.c.lease_owner.is_(None)
    query = sa.select(runs).where(idle).order_by(runs.c.run_id <= after, runs.c.run_id).limit(most)
    return [Run.of(row) for row in connection.execute(query)]


def idle(connection: sa.Connection) -> dict[str, Place]:
    """Where the runs that nobody executes and that have not ended stand in the register."""
    alive = runs.c.status.in_([RunStatus.QUEUED, RunStatus.WAITING])
    query = sa.select(runs.c.created_at, runs.c.run_id).where(alive, runs.c.lease_owner.is_(None))
    return {row.run_id: (row.created_at, row.run_id) for row in connection.execute(query)}


def moment(seconds: float) -> str:
    """The time so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pin(
    connection: sa.Connection,
    run_id: str,
    workflow_version: str,
    document: Contract,
    chosen: str | None = None,
) -> bytes | None:
    """Fix what a run decides by, when it is first executed; later, tell what it was then.

    That is `document`, unless another one was `chosen` by its digest. None when the run decides
    by `document`, otherwise the JSON of the one that it does decide by.
    """
    digest = sha256_of(document)
    connection.execute(
        runs.update()
        .where(runs.c.run_id == run_id, runs.c.workflow_version == "")
        .values(workflow_version=workflow_version, versions={"pinned": chosen or digest})
    )
    pinned = find(connection, run_id).versions["pinned"]
    if pinned == digest:
        keep_pinned(connection, document)
        return None
    return pinned_body(connection, pinned)


def keep_pinned(connection: sa.Connection, document: Contract) -> str:
    """Store what runs may decide by, once; returns its digest."""
    digest = sha256_of(document)
    body = zlib.compress(canonical_json(document))
    insert_or_ignore(
        connection, blobs, {"path": f"pins/{digest}", "body": body, "written_at": now()}
    )
    return digest


def pinned_body(connection: sa.Connection, digest: str) -> bytes:
    """The JSON of what was pinned. Raises RecordNotFoundError."""
    kept: bytes | None = connection.execute(
        sa.select(blobs.c.body).where(blobs.c.path == f"pins/{digest}")
    ).scalar_one_or_none()
    if kept is None:
        raise RecordNotFoundError(f"nothing was pinned under {digest}")
    return zlib.decompress(kept)
