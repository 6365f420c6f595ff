"""What was begun and not finished: found in the ledger, and finished.

Run by the worker and by the API, at their start and every few seconds. Each function may be
executed by several processes at once and any number of times; what it does, it does once.
Prefect's Crashed is not an end here: a run goes on as long as the ledger says that it lives.
"""

from __future__ import annotations

import logging
from uuid import UUID

import httpx
import sqlalchemy as sa
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import AwaitingRetry, Cancelled, Cancelling

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.review import Review
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.runtime import deaths, events, in_prefect, reviews, runs
from flows.runtime.deadlines import enforce_deadlines
from flows.runtime.launch import Order, launch
from flows.runtime.ledger import Ledger
from flows.runtime.runs import Run

KEPT_HERE = "see the desk's journal"
"""What Prefect is told in place of who decided and why."""

_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]

log = logging.getLogger(__name__)


async def sweep(client: PrefectClient, ledger: Ledger, deployment_id: UUID, instance: str) -> None:
    """Do all of it. Prefect being out of reach is not an error here: the next sweep comes."""
    await enforce_deadlines(ledger, settings())
    try:
        await deaths.requeue_abandoned(client, ledger, instance)
        await deliver_answers(client, ledger)
        await deliver_cancels(client, ledger)
        await start_missing(client, ledger, deployment_id)
        await reconcile(client, ledger)
        await close_ended(client, ledger, deployment_id)
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        log.warning("sweep interrupted: the Prefect server did not answer (%s)", error)


# -- answers -----------------------------------------------------------------------------------


async def deliver_answers(client: PrefectClient, ledger: Ledger) -> None:
    """Wake runs whose answer was accepted and that are still asleep."""
    for review in await ledger.read(reviews.undelivered):
        if await wake(client, review):
            await ledger.write(reviews.mark_delivered, review)


async def wake(client: PrefectClient, review: Review) -> bool:
    """Resume a suspended run whose answer the ledger holds; True when it is awake.

    Prefect's input carries the decision, for whoever looks there, and none of the words that
    somebody wrote with it; the gate reads the ledger.
    """
    flow_run = await in_prefect.flow_run(client, review.run_id)
    state = flow_run.state if flow_run else None
    if flow_run is None or state is None:
        return True
    if not state.is_paused():
        # Running: not asleep yet, the answer came while it was being put to sleep.
        return not state.is_running()
    if review.fields is None:  # the system's own answer fits no form
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)
        return True
    told = review.fields | dict.fromkeys(("reviewer", "reason"), KEPT_HERE)
    outcome = await client.resume_flow_run(flow_run.id, run_input=told)
    if outcome.status.value == "REJECT":
        reason = getattr(outcome.details, "reason", "no reason given")
        log.warning("Prefect did not take the answer of run %s: %s", review.run_id, reason)
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)
    return outcome.status.value in {"ACCEPT", "REJECT"}


# -- cancellation ------------------------------------------------------------------------------


def request_cancel(connection: sa.Connection, run_id: str, by: str) -> list[Event]:
    """Note that a run shall stop; one that nobody executes has stopped with that.

    Raises ConflictError when it has ended already.
    """
    run = runs.find(connection, run_id)
    if run.status.has_ended:
        raise ConflictError(f"run {run_id} has ended: it is {run.status.value}")
    runs.ask_to_stop(connection, run_id)
    return _end_cancelled(connection, run, by) if run.lease_owner is None else []


async def deliver_cancels(client: PrefectClient, ledger: Ledger) -> None:
    """Tell Prefect, and through it the worker, of cancellations that it has not heard of."""
    for run in await ledger.read(runs.to_be_stopped):
        flow_run = await in_prefect.flow_run(client, run.run_id)
        ended = flow_run is None or flow_run.state is None or flow_run.state.is_final()
        if run.status.has_ended:
            if not ended:
                await in_prefect.close_children(client, run.run_id)
                await in_prefect.end(client, run.run_id, Cancelled(message="Stopped on request"))
            await ledger.write(runs.has_stopped, run.run_id)
        elif flow_run is not None and not ended and not _is_cancelling(flow_run):
            await client.set_flow_run_state(flow_run.id, Cancelling(), force=True)


def _end_cancelled(connection: sa.Connection, run: Run, by: str) -> list[Event]:
    draft = events.note(
        run, "run.cancelled", EventType.RUN_CANCELLED, "Run cancelled", {"by": by}, here=True
    )
    reviews.close(connection, run.run_id)
    return events.append(connection, run.run_id, [draft], status=RunStatus.CANCELLED)


# -- what Prefect knows and the ledger does not --------------------------------------------------


async def reconcile(client: PrefectClient, ledger: Ledger) -> None:
    """Take over what was done to idle runs past the desk: cancelled, or left crashed."""
    idle = {run.run_id: run for run in await ledger.read(runs.idle, in_prefect.MOST_COMPARED)}
    for flow_run in await in_prefect.flow_runs(client, idle):
        run, state = idle[str(flow_run.id)], flow_run.state
        if state is None:
            continue
        if state.is_cancelled():
            events.publish(await ledger.write(_end_cancelled, run, "prefect"))
            await in_prefect.close_children(client, run.run_id)
        elif state.is_cancelling():
            await ledger.write(request_cancel, run.run_id, "prefect")
        elif state.type in {StateType.CRASHED, StateType.FAILED} or (
            state.type in {StateType.PENDING, StateType.RUNNING} and in_prefect.has_stood(state)
        ):
            await in_prefect.reschedule(client, run.run_id, state)


async def close_ended(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """End in Prefect what has ended in the ledger, when who should have said so was killed."""
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)),
        ),
        limit=in_prefect.MOST_COMPARED,
    )
    if not found:
        return
    known = await ledger.read(runs.find_all, [str(flow_run.id) for flow_run in found])
    for flow_run in found:
        run = known.get(str(flow_run.id))
        if run is None or not run.status.has_ended or run.lease_owner is not None:
            continue
        if flow_run.state is not None and in_prefect.has_stood(flow_run.state):
            await in_prefect.close_children(client, run.run_id)
            await in_prefect.end(client, run.run_id, in_prefect.state_of(run.status))


async def start_missing(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """Start the runs of applications that were accepted just before somebody died."""
    for row in await ledger.read(runs.without_run):
        order = Order.model_validate(row.order)
        await launch(client, ledger, deployment_id, row.application_id, order)
        log.warning("application %s was accepted without a run; started it", row.application_id)


def _is_cancelling(flow_run: FlowRun) -> bool:
    return flow_run.state is not None and flow_run.state.is_cancelling()
