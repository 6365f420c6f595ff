"""The register of runs: who asked for a run, which flow run carries it out, where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import RecordNotFoundError
from data.contracts.runs import RetryState, RunStatus
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.tables import runs

LIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING)

Place = tuple[str, str]
"""When a run was entered, and its id: the order of the register."""


@dataclass(frozen=True)
class Run:
    """One row of the register."""

    run_id: str
    application_id: str
    origin: str
    flow_run_id: str
    """The Prefect flow run that carries it out; empty while there is none."""
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
    retry_state: RetryState
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
    def of(cls, row: sa.Row[Any, Any, Any]) -> Run:
        read = {
            "status": RunStatus(row.status),
            "retry_state": RetryState.model_validate(row.retry_state),
        }
        return cls(**{**row._mapping, **read})


def register(connection: sa.Connection, run_id: str, origin: str, /, **fields: Any) -> Run:
    """Enter a run, once per origin: whoever comes second reads what the first entered."""
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


def of_flow_runs(connection: sa.Connection, flow_run_ids: Collection[str]) -> dict[str, Run]:
    """The runs that these Prefect flow runs carry out, by the flow run's id."""
    found = connection.execute(sa.select(runs).where(runs.c.flow_run_id.in_(flow_run_ids)))
    return {row.flow_run_id: Run.of(row) for row in found}


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


def queued(connection: sa.Connection) -> list[Run]:
    """The runs that wait for a worker."""
    idle = (runs.c.status == RunStatus.QUEUED) & runs.c.lease_owner.is_(None)
    return [Run.of(row) for row in connection.execute(sa.select(runs).where(idle))]


def waiting(connection: sa.Connection, after: str, most: int) -> list[Run]:
    """The next runs, by id, that wait for a person; from the first again after the last."""
    idle = (runs.c.status == RunStatus.WAITING) & runs.c.lease_owner.is_(None)
    query = sa.select(runs).where(idle).order_by(runs.c.run_id <= after, runs.c.run_id).limit(most)
    return [Run.of(row) for row in connection.execute(query)]
