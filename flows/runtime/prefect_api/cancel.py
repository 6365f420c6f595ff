"""Stopping a run on request: the wish first, then the end, then what Prefect is told.

A run that nobody executes ends with the wish. An execution that is told ends its run itself. One
that was stopped where it could not (before it had opened the run, or by the death of its worker)
leaves a wish without a lease: nobody takes such a run up again, and whoever comes by first, the
worker that gives it back or a sweep, writes the end. No end is written after another.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from prefect.client.orchestration import PrefectClient
from prefect.states import Cancelling

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import journal, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.database import events as entries
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import states

PREFECT = "prefect"
"""Who asks when a run is cancelled in the Prefect UI: it does not say."""

_ASKED = "cancel.requested/"


def request(connection: sa.Connection, run_id: str, by: str) -> list[Event]:
    """Note that a run shall stop; one that nobody executes has stopped with that.

    Raises ConflictError when it has ended already, RecordNotFoundError when there is none.
    """
    is_live = runs.ask_to_stop(connection, run_id)
    run = runs.find(connection, run_id)
    if not is_live:
        raise ConflictError(f"run {run_id} has ended: it is {run.status.value}")
    if run.lease_owner is None:
        return _end(connection, run, by)
    asked = journal.note(
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
    run = runs.find(connection, run_id)
    return [] if run.status.has_ended else _end(connection, run, _who(connection, run_id), epoch)


def give_back(connection: sa.Connection, run_id: str, epoch: int) -> list[Event]:
    """Give the lease of an execution back, and end what was asked to stop meanwhile."""
    runs.release(connection, run_id, epoch)
    return end_unattended(connection, run_id)


def end_unattended(connection: sa.Connection, run_id: str) -> list[Event]:
    """Write the end of a run that was asked to stop, if nobody executes it and it has none."""
    run = runs.find(connection, run_id, lock=True)
    if not run.cancel_requested or run.status.has_ended or run.lease_owner is not None:
        return []
    return _end(connection, run, _who(connection, run_id))


async def deliver(client: PrefectClient, ledger: Ledger) -> None:
    """Finish every cancellation that has not arrived yet."""
    for run in await ledger.read(runs.to_be_stopped):
        with states.one_run(run.run_id):
            await deliver_one(client, ledger, run.run_id)


async def deliver_one(client: PrefectClient, ledger: Ledger, run_id: str) -> None:
    """Tell Prefect, and through it the worker, that a run shall stop; or how it has ended.

    Nothing of it is left there then, neither subflows nor what somebody typed.
    """
    journal.publish(await ledger.write(end_unattended, run_id))
    run = await ledger.read(runs.find, run_id)
    flow_run = await states.flow_run(client, run_id)
    state = flow_run.state if flow_run else None
    if run.status.has_ended:
        if flow_run is not None:
            await states.close_children(client, run_id)
            await states.forget_typed(client, flow_run.id)
            end = states.state_of(run.status)
            if state is None or state.type is not end.type:
                await states.end(client, run_id, end)
        await ledger.write(runs.has_stopped, run_id)
    elif state is not None and not state.is_final() and not state.is_cancelling():
        await states.end(client, run_id, Cancelling())


def _end(connection: sa.Connection, run: Run, by: str, epoch: int | None = None) -> list[Event]:
    draft = journal.note(
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
        sa.select(entries.c.body)
        .where(entries.c.run_id == run_id, entries.c.key.startswith(_ASKED))
        .order_by(entries.c.id.desc())
        .limit(1)
    ).scalar()
    return str(json.loads(asked)["meta"]["by"]) if asked else PREFECT
