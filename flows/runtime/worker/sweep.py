"""The sweep: it finds unfinished work in the ledger and finishes it.

The worker and the API sweep at their start and every few seconds. Several processes may call each
function at once and any number of times; what it does, it does once. Prefect's Crashed is not an
end here: a run goes on as long as the ledger says that it is alive.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from data.contracts.errors import ConflictError
from data.settings import settings
from flows.runtime.ledger import cancellations, figures, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import RunRef
from flows.runtime.prefect_api import cancel, feed, states
from flows.runtime.prefect_api.client import PrefectClient, State
from flows.runtime.prefect_api.launch import relaunch_unknown
from flows.runtime.prefect_api.wake import deliver_answers
from flows.runtime.worker import lost_workers
from flows.runtime.worker.batches import find_drivers, look_after_reviews
from flows.runtime.worker.deadlines import enforce_deadlines
from flows.runtime.worker.notifications import send_notifications
from flows.runtime.worker.tolerance import tolerated

WAITING_IN_A_SWEEP = 200
"""How many of the runs that wait for a person are compared with Prefect in one sweep."""

log = logging.getLogger(__name__)


@dataclass
class SweepCursor:
    """How far the sweeps have come among the waiting runs: each compares the next ones."""

    last: str = ""

    def take(self, connection: sa.Connection) -> list[RunRef]:
        """The next waiting runs; after the last one, the first again."""
        taken = runs.waiting(connection, self.last, WAITING_IN_A_SWEEP)
        self.last = taken[-1].run_id if len(taken) == WAITING_IN_A_SWEEP else ""
        return taken


async def sweep(
    client: PrefectClient,
    ledger: Ledger,
    find_deployment: Callable[[], Awaitable[UUID]],
    instance: str,
    cursor: SweepCursor,
) -> None:
    """Do every duty. A duty that fails now is not an error: the next sweep does it.

    What needs no Prefect comes first and is done while Prefect is away.
    """

    async def compare() -> None:
        deployment_id = await find_deployment()
        await reconcile_idle_runs(client, ledger, deployment_id, cursor)
        await close_ended(client, ledger, deployment_id)

    duties: list[Callable[[], Awaitable[object]]] = [
        lambda: enforce_deadlines(ledger, settings()),
        lambda: send_notifications(ledger, settings()),
        lambda: lost_workers.requeue_abandoned(client, ledger, instance),
        lambda: deliver_answers(client, ledger),
        lambda: cancel.deliver(client, ledger),
        lambda: compact_figures(ledger),
        lambda: find_drivers(client, ledger, settings()),
        lambda: look_after_reviews(client, ledger, settings(), find_deployment),
        compare,
    ]
    for duty in duties:
        with tolerated("sweep interrupted"):
            await duty()


async def reconcile_idle_runs(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, cursor: SweepCursor
) -> None:
    """Compare the runs that no worker executes with Prefect: all that are queued, some that wait.

    Runs that Prefect does not know get a flow run. What people did to the others in Prefect is
    taken over or undone: cancelled, left crashed, paused or completed by hand.
    """
    queued = await ledger.read(runs.queued)
    waiting = await ledger.read(cursor.take)
    await relaunch_unknown(client, ledger, deployment_id, queued + waiting)
    idle = {run.flow_run_id: run for run in queued + waiting if run.flow_run_id}
    unexpected = [
        *await states.neither_scheduled(client, _mapped(queued)),
        *await states.neither_scheduled(client, _mapped(waiting), nor_paused=True),
    ]
    for flow_run in unexpected:
        run = idle[str(flow_run.id)]
        with states.isolate_errors(run.run_id):
            if flow_run.state is not None:
                await _reconcile(client, ledger, run, flow_run.state)


async def _reconcile(
    client: PrefectClient, ledger: Ledger, run: RunRef, state: State[None]
) -> None:
    if state.is_cancelled() or state.is_cancelling():
        with suppress(ConflictError):  # the desk was told, too
            by = cancellations.PREFECT
            feed.publish(await ledger.write(cancellations.request, run.run_id, by))
    elif state.is_crashed() or state.is_failed() or states.is_settled(state):
        await states.reschedule(client, run.flow_run_id, seen=state, not_before=run.not_before)


async def compact_figures(ledger: Ledger) -> None:
    """Add up the figures before a scrape has too much to read."""
    if await ledger.read(figures.are_many):
        await ledger.write(figures.compact)


async def close_ended(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """End in Prefect what has ended in the ledger, when the worker died before it said so."""
    found = await states.unfinished(client, deployment_id)
    if not found:
        return
    known = await ledger.read(runs.of_flow_runs, [str(flow_run.id) for flow_run in found])
    for flow_run in found:
        run = known.get(str(flow_run.id))
        if run is None or not run.status.has_ended or run.lease_owner is not None:
            continue
        with states.isolate_errors(run.run_id):
            if flow_run.state is not None and states.is_settled(flow_run.state):
                await states.close_children(client, run.flow_run_id)
                await states.end(client, run.flow_run_id, run.status)


def _mapped(idle: list[RunRef]) -> list[str]:
    return [run.flow_run_id for run in idle if run.flow_run_id]
