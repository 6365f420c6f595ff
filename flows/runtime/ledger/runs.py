"""The register of runs: who asked for a run, which flow run carries it out, where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa

from data.contracts.errors import RecordNotFoundError
from data.contracts.runs import RetryState, RunStatus
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.tables import runs

LIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING)

Place = tuple[str, str]
"""When a run was entered, and its id: the order of the register."""


@dataclass(frozen=True)
class RunRef:
    """What a sweep and Prefect need to know of a run; cheap to read for thousands of runs."""

    run_id: str
    application_id: str
    flow_run_id: str
    """The Prefect flow run that carries it out; empty while there is none."""
    status: RunStatus
    phase: str
    traceparent: str
    lineage: Mapping[str, Any] | None
    retry_state: RetryState
    created_at: str
    lease_owner: str | None
    lease_epoch: int
    lease_until: str

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1] if self.traceparent else ""

    @property
    def is_quarantined(self) -> bool:
        """Whether it is executed alone, because workers were lost while they executed it."""
        return self.retry_state.is_quarantined

    @property
    def not_before(self) -> datetime | None:
        """When the next execution may begin, after a failed one."""
        return self.retry_state.not_before

    @property
    def place(self) -> Place:
        return self.created_at, self.run_id

    @classmethod
    def of(cls, row: sa.Row[Any, Any, Any]) -> Self:
        read = {
            "status": RunStatus(row.status),
            "retry_state": RetryState.model_validate(row.retry_state),
        }
        return cls(**{**row._mapping, **read})


@dataclass(frozen=True)
class Run(RunRef):
    """One row of the register, whole."""

    origin: str
    workflow_version: str
    progress: float
    options: Mapping[str, Any]
    versions: Mapping[str, Any]
    state: Mapping[str, Any]
    error: Mapping[str, Any] | None
    cancel_requested: bool
    legal_hold: bool
    submitted_by: str
    submitted_by_principal: str
    updated_at: str
    last_event_id: int
    chain: str


REFERENCE = [runs.c[field.name] for field in fields(RunRef)]
"""The columns of a `RunRef`."""


def register(connection: sa.Connection, run_id: str, origin: str, /, **fields: Any) -> Run:
    """Enter a run, once per origin: the second caller reads what the first one entered."""
    blank: dict[str, Any] = {
        "status": RunStatus.QUEUED,
        "options": {},
        "versions": {},
        "state": {},
        "retry_state": {},
        "created_at": now(),
        "updated_at": now(),
    }
    insert_or_ignore(connection, runs, {**blank, **fields, "run_id": run_id, "origin": origin})
    row = connection.execute(sa.select(runs).where(runs.c.origin == origin)).one()
    return Run.of(row)


def find(connection: sa.Connection, run_id: str, *, lock: bool = False) -> Run:
    """One run. Raises RecordNotFoundError when there is none.

    With `lock`, no other transaction changes it before the end of this one. A transaction that
    decides by a run's status and then writes needs that: PostgreSQL lets others write in between.
    """
    query = sa.select(runs).where(runs.c.run_id == run_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no run {run_id}")
    return Run.of(row)


def find_all(connection: sa.Connection, run_ids: Collection[str]) -> dict[str, Run]:
    """Those of these runs that are entered, by id."""
    found = connection.execute(sa.select(runs).where(runs.c.run_id.in_(run_ids)))
    return {row.run_id: Run.of(row) for row in found}


def references(connection: sa.Connection, run_ids: Collection[str]) -> dict[str, RunRef]:
    """As much of these runs as lists show, by id."""
    found = connection.execute(sa.select(*REFERENCE).where(runs.c.run_id.in_(run_ids)))
    return {row.run_id: RunRef.of(row) for row in found}


def of_flow_runs(connection: sa.Connection, flow_run_ids: Collection[str]) -> dict[str, RunRef]:
    """The runs that these Prefect flow runs carry out, by the flow run's id."""
    found = connection.execute(sa.select(*REFERENCE).where(runs.c.flow_run_id.in_(flow_run_ids)))
    return {row.flow_run_id: RunRef.of(row) for row in found}


def map_to_flow_run(connection: sa.Connection, run_id: str, flow_run_id: str, *, seen: str) -> bool:
    """Note which flow run carries out a run; False when that is not `seen` any more."""
    mapped = connection.execute(
        runs.update()
        .where(runs.c.run_id == run_id, runs.c.flow_run_id == seen)
        .values(flow_run_id=flow_run_id)
    )
    return bool(mapped.rowcount)


def find_by_origin(connection: sa.Connection, origin: str) -> Run | None:
    row = connection.execute(sa.select(runs).where(runs.c.origin == origin)).one_or_none()
    return Run.of(row) if row else None


def own_runs(connection: sa.Connection, application_ids: Collection[str]) -> dict[str, RunRef]:
    """The runs of these applications that are no forks, by application."""
    origins = [f"application:{application_id}" for application_id in application_ids]
    found = connection.execute(sa.select(*REFERENCE).where(runs.c.origin.in_(origins)))
    return {row.application_id: RunRef.of(row) for row in found}


def page(
    connection: sa.Connection,
    *,
    limit: int,
    before: Place | None = None,
    begins: str | None = None,
    **equal: str | None,
) -> list[Run]:
    """Runs, newest first; `before` is the place of the last one seen, `begins` how an id does."""
    query = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.run_id.desc()).limit(limit)
    for name, value in equal.items():
        if value is not None:
            query = query.where(runs.c[name] == value)
    if begins:
        query = query.where(runs.c.run_id.startswith(begins, autoescape=True))
    if before:
        query = query.where(sa.tuple_(runs.c.created_at, runs.c.run_id) < sa.tuple_(*before))
    return [Run.of(row) for row in connection.execute(query)]


_QUEUED = (runs.c.status == RunStatus.QUEUED) & runs.c.lease_owner.is_(None)


def count_by_status(
    connection: sa.Connection, statuses: Collection[RunStatus]
) -> dict[RunStatus, int]:
    """How many runs have each of these statuses."""
    by_status = sa.select(runs.c.status, sa.func.count()).where(runs.c.status.in_(statuses))
    rows = connection.execute(by_status.group_by(runs.c.status)).all()
    return dict.fromkeys(statuses, 0) | {RunStatus(row[0]): row[1] for row in rows}


def queued_since(connection: sa.Connection) -> str | None:
    """Since when the run is queued that waits longest for a worker; None without one.

    When it was last changed, not when it was made: it may have waited days for a person before.
    """
    first = sa.select(sa.func.min(runs.c.updated_at)).where(runs.c.status == RunStatus.QUEUED)
    return connection.execute(first).scalar()


def queued(connection: sa.Connection) -> list[RunRef]:
    """The runs that wait for a worker."""
    return [RunRef.of(row) for row in connection.execute(sa.select(*REFERENCE).where(_QUEUED))]


def not_mapped(connection: sa.Connection) -> list[RunRef]:
    """The runs that wait for a worker or a person and have no flow run."""
    idle = runs.c.status.in_([RunStatus.QUEUED, RunStatus.WAITING]) & runs.c.lease_owner.is_(None)
    query = sa.select(*REFERENCE).where(idle, runs.c.flow_run_id == "")
    return [RunRef.of(row) for row in connection.execute(query)]


def is_one_queued(connection: sa.Connection) -> bool:
    """Whether a run waits for a worker, and has a flow run that Prefect may offer."""
    mapped = sa.select(runs.c.run_id).where(_QUEUED, runs.c.flow_run_id != "")
    return connection.execute(mapped.limit(1)).first() is not None


def waiting(connection: sa.Connection, after: str, most: int) -> list[RunRef]:
    """The next runs, by id, that wait for a person; empty after the last one."""
    idle = (runs.c.status == RunStatus.WAITING) & runs.c.lease_owner.is_(None)
    query = sa.select(*REFERENCE).where(idle, runs.c.run_id > after)
    found = connection.execute(query.order_by(runs.c.run_id).limit(most))
    return [RunRef.of(row) for row in found]
