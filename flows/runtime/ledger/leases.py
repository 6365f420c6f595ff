"""Leases: which worker executes a run, and until when.

A lease has an owner, an epoch that grows each time the run changes hands, and an end. Every write
of an execution names its epoch (`journal.append`), so a worker that lost its lease and comes back
writes nothing. The API writes without a lease; both lock the run's row.
"""

from __future__ import annotations

import sqlalchemy as sa

from data.contracts.errors import LeaseLostError
from data.contracts.runs import RunStatus
from flows.runtime.host.process_ids import has_died_here
from flows.runtime.ledger.database import clock, now
from flows.runtime.ledger.runs import LIVE, REFERENCE, RunRef
from flows.runtime.ledger.tables import runs


def acquire_lease(connection: sa.Connection, run_id: str, owner: str, seconds: float) -> int | None:
    """Take the lease of a live run; its epoch.

    None when it is held, shall stop, has ended or does not exist.
    """
    free = runs.c.lease_owner.is_(None) | (runs.c.lease_until < clock(connection))
    wanted = runs.c.status.in_(LIVE) & runs.c.cancel_requested.is_(sa.false())
    taken = connection.execute(
        runs.update()
        .where(runs.c.run_id == run_id, wanted, free)
        .values(
            lease_owner=owner,
            lease_epoch=runs.c.lease_epoch + 1,
            lease_until=clock(connection, seconds),
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


def renew_leases(connection: sa.Connection, owner: str, seconds: float) -> set[str]:
    """Keep all leases of an owner; returns the runs it still holds."""
    held = runs.c.lease_owner == owner
    connection.execute(runs.update().where(held).values(lease_until=clock(connection, seconds)))
    return set(connection.execute(sa.select(runs.c.run_id).where(held)).scalars())


def release_lease(connection: sa.Connection, run_id: str, epoch: int) -> None:
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

    A worker that lost its lease holds nothing, also before another worker takes the run; and after
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


def leased(connection: sa.Connection) -> list[RunRef]:
    """The runs that a worker holds, also one whose lease has run out."""
    held = sa.select(*REFERENCE).where(runs.c.lease_owner.is_not(None))
    return [RunRef.of(row) for row in connection.execute(held)]


def abandoned(connection: sa.Connection) -> list[RunRef]:
    """Runs whose lease has run out, or whose worker has died on this host."""
    found = leased(connection)
    moment = clock(connection)
    return [run for run in found if is_abandoned(run, moment)]


def is_abandoned(run: RunRef, moment: str) -> bool:
    """Whether the worker that holds a run will not come back."""
    return run.lease_owner is not None and (
        run.lease_until < moment or has_died_here(run.lease_owner)
    )
