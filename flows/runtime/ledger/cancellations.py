"""Cancelling a run: first the request, then the end.

A run that no worker executes ends with the request. A worker that is told of the request ends the
run itself. If the worker could not (it had not opened the run yet, or it died), the request stays
and the run has no lease: no worker takes such a run, and the worker that releases the lease, or
the next sweep, writes the end. An end is never written after another end.
"""

from __future__ import annotations

import json

import sqlalchemy as sa

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import journal, leases, tables
from flows.runtime.ledger.runs import LIVE, Run, find


def ask_to_stop(connection: sa.Connection, run_id: str) -> bool:
    """Note that a run shall stop; False when it has ended, or there is none."""
    live = (tables.runs.c.run_id == run_id) & tables.runs.c.status.in_(LIVE)
    asked = connection.execute(tables.runs.update().where(live).values(cancel_requested=True))
    return bool(asked.rowcount)


def has_stopped(connection: sa.Connection, run_id: str) -> None:
    connection.execute(
        tables.runs.update().where(tables.runs.c.run_id == run_id).values(cancel_requested=False)
    )


def to_be_stopped(connection: sa.Connection) -> list[str]:
    """The runs whose cancellation was asked for and is not known to have arrived."""
    asked = sa.select(tables.runs.c.run_id).where(tables.runs.c.cancel_requested.is_(sa.true()))
    return list(connection.execute(asked).scalars())


PREFECT = "prefect"
"""Who asks when a run is cancelled in the Prefect UI: it does not say."""


_ASKED = "cancel.requested/"


def request(connection: sa.Connection, run_id: str, by: str) -> list[Event]:
    """Note that a run is to stop; one that no worker executes has stopped with that.

    A run that was cancelled already stays so. Raises ConflictError when it has ended in another
    way, RecordNotFoundError when there is none.
    """
    is_live = ask_to_stop(connection, run_id)
    run = find(connection, run_id)
    if run.status is RunStatus.CANCELLED:
        return []
    if not is_live:
        raise ConflictError(f"run {run_id} has ended: it is {run.status.value}")
    if run.lease_owner is None:
        return _end(connection, run, by)
    asked = journal.draft_event(
        run,
        f"{_ASKED}{run.lease_epoch}",
        EventType.PROGRESS,
        "Asked to stop",
        {"by": by},
        here=True,
    )
    return journal.append(connection, run_id, [asked])


def end(connection: sa.Connection, run_id: str, epoch: int) -> list[Event]:
    """Write the end of the run that this execution was asked to stop, unless it has one.

    Raises LeaseLostError when another execution goes on with it.
    """
    run = find(connection, run_id, lock=True)
    return [] if run.status.has_ended else _end(connection, run, _who(connection, run_id), epoch)


def give_back(connection: sa.Connection, run_id: str, epoch: int) -> list[Event]:
    """Release the lease of an execution, and end the run if it was asked to stop meanwhile."""
    leases.release_lease(connection, run_id, epoch)
    return end_unattended(connection, run_id)


def end_unattended(connection: sa.Connection, run_id: str) -> list[Event]:
    """Write the end of a run that was asked to stop, if no worker executes it and it has no end."""
    run = find(connection, run_id, lock=True)
    if not run.cancel_requested or run.status.has_ended or run.lease_owner is not None:
        return []
    return _end(connection, run, _who(connection, run_id))


def _end(connection: sa.Connection, run: Run, by: str, epoch: int | None = None) -> list[Event]:
    draft = journal.draft_event(
        run, "run.cancelled", EventType.RUN_CANCELLED, "Run cancelled", {"by": by}, here=True
    )
    return journal.append(
        connection,
        run.run_id,
        [draft],
        epoch=epoch,
        status=RunStatus.CANCELLED,
        cancel_requested=True,  # until Prefect has been told, and cleared of what is left there
    )


def _who(connection: sa.Connection, run_id: str) -> str:
    """Who asked last, as the journal says. Only Prefect stops a run without asking first."""
    asked = connection.execute(
        sa.select(tables.events.c.body)
        .where(tables.events.c.run_id == run_id, tables.events.c.key.startswith(_ASKED))
        .order_by(tables.events.c.id.desc())
        .limit(1)
    ).scalar()
    return str(json.loads(asked)["meta"]["by"]) if asked else PREFECT
