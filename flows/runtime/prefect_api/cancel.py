"""Cancelling a run, the second half: what Prefect is told after the ledger has the request."""

from __future__ import annotations

from flows.runtime.ledger import cancellations, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import feed, states
from flows.runtime.prefect_api.client import PrefectClient, at_border


@at_border
async def deliver(client: PrefectClient, ledger: Ledger) -> None:
    """Finish every cancellation that has not arrived yet."""
    for run_id in await ledger.read(cancellations.to_be_stopped):
        with states.isolate_errors(run_id):
            await deliver_one(client, ledger, run_id)


@at_border
async def deliver_one(client: PrefectClient, ledger: Ledger, run_id: str) -> None:
    """Tell Prefect, and through it the worker, that a run is to stop; or how it has ended.

    Nothing of an ended run is left in Prefect then: no open subflow, nothing that people typed.
    """
    feed.publish(await ledger.write(cancellations.end_unattended, run_id))
    run = await ledger.read(runs.find, run_id)
    flow_run_id = run.flow_run_id
    flow_run = await states.flow_run(client, flow_run_id) if flow_run_id else None
    state = flow_run.state if flow_run else None
    if run.status.has_ended:
        if flow_run is not None:
            await states.close_children(client, flow_run_id)
            await states.forget_typed(client, flow_run_id)
            if state is None or state.type is not states.ended_as(run.status).type:
                await states.end(client, flow_run_id, run.status)
        await ledger.write(cancellations.has_stopped, run_id)
    elif state is not None and not state.is_final() and not state.is_cancelling():
        await states.ask_to_cancel(client, flow_run_id)
