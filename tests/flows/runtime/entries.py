"""Runs and drafts for tests of the ledger: registered and leased in one line."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import decisions, journal, leases, runs
from flows.runtime.ledger.database import Ledger, stamp
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.tables import decisions as decision_rows

RUN = "run-1"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def flow_run_of(run_id: str) -> UUID:
    """The Prefect flow run that carries out a run of these tests: never the run's own id."""
    return uuid5(NAMESPACE_OID, run_id)


async def a_run(ledger: Ledger, run_id: str = RUN, **fields: Any) -> str:
    """A run in the register, not yet executed."""
    fields = {"application_id": f"of-{run_id}"} | fields
    await ledger.write(runs.register, run_id, f"application:{run_id}", **fields)
    return run_id


async def a_claimed_run(ledger: Ledger, run_id: str = RUN, *, seconds: float = 60) -> int:
    """A run that a worker executes; the epoch of its lease."""
    await a_run(ledger, run_id)
    epoch = await ledger.write(leases.acquire_lease, run_id, "host:1:worker:now", seconds)
    assert epoch is not None
    return epoch


async def a_decision(ledger: Ledger, run_id: str, outcome: str, at: datetime) -> None:
    """A run whose decision has no more in it than its outcome, entered at this moment."""

    class Content(Contract):
        outcome: str

    def enter(connection: sa.Connection) -> None:
        decisions.enter(connection, run_id, Content(outcome=outcome))
        this = decision_rows.update().where(decision_rows.c.run_id == run_id)
        connection.execute(this.values(decided_at=stamp(at)))

    await a_run(ledger, run_id)
    await ledger.write(enter)


async def an_idle_run(ledger: Ledger, status: RunStatus = RunStatus.QUEUED, **more: Any) -> str:
    """A run that no worker executes, mapped to its flow run."""
    run_id = str(uuid4())
    mapped = {"application_id": run_id, "flow_run_id": str(flow_run_of(run_id))}
    fields: dict[str, Any] = mapped | {"status": status} | more
    await ledger.write(runs.register, run_id, f"application:{run_id}", **fields)
    return run_id


def draft(key: str, progress: float = 0.0, type: EventType = EventType.PROGRESS) -> Draft:
    return Draft(
        key=key,
        type=type,
        phase="check",
        message=f"about {key}",
        progress=progress,
        trace_id=TRACE,
        span_id=SPAN,
    )


async def left_behind(ledger: Ledger, owner: str, phase: str = "check", **more: Any) -> str:
    """A run under way, whose journal has begun, under this owner's lease."""
    run_id = await an_idle_run(ledger, phase=phase, **more)
    epoch = await ledger.write(leases.acquire_lease, run_id, owner, 60)
    await ledger.write(
        journal.append, run_id, [draft("run.started", type=EventType.RUN_STARTED)], epoch=epoch
    )
    return run_id


async def ended(ledger: Ledger, run_id: str, status: RunStatus, epoch: int = 1) -> None:
    """Write the last event of a run into its journal, with its status into the register."""
    done = draft(f"run.{status}", 1.0, EventType.RUN_COMPLETED)
    await ledger.write(journal.append, run_id, [done], epoch=epoch, status=status)


async def written(ledger: Ledger, run_id: str) -> list[str]:
    return [str(body) for body in await ledger.read(journal.read, run_id)]
