"""What was begun and not finished: found in the ledger, and finished.

Run by the worker at its start and every few seconds. Each function may be executed by several
workers at once and any number of times; what it does, it does once.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import AwaitingRetry

from data.contracts.events import EventType
from data.contracts.review import Review
from data.contracts.runs import RunStatus
from flows.runtime import events, reviews, runs
from flows.runtime.events import Draft
from flows.runtime.launch import Order, launch
from flows.runtime.ledger import Ledger
from flows.runtime.runs import Run

log = logging.getLogger(__name__)


async def sweep(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """Do all of it. Prefect being out of reach is not an error here: the next sweep comes."""
    try:
        await requeue_abandoned(client, ledger)
        await deliver_answers(client, ledger)
        await start_missing(client, ledger, deployment_id)
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        log.warning("sweep interrupted: the Prefect server did not answer (%s)", error)


async def requeue_abandoned(client: PrefectClient, ledger: Ledger) -> None:
    """Put runs whose worker has fallen silent, or died on this host, back into the queue."""
    for run in await ledger.read(_left_behind):
        if run.status is RunStatus.RUNNING:
            lost = Draft(
                key=f"lost/{run.lease_epoch}",
                type=EventType.ERROR,
                phase=run.phase,
                message="The worker was lost; the run goes on from its last checkpoint",
                progress=run.progress,
                meta={"code": "worker_lost", "execution": run.lease_epoch},
                trace_id=run.trace_id,
                span_id="0" * 16,
            )
            events.publish(
                await ledger.write(events.append, run.run_id, [lost], epoch=run.lease_epoch)
            )
        await ledger.write(runs.release, run.run_id, run.lease_epoch)
        await reschedule(client, run.run_id)
        log.warning("run %s was left behind by %s and goes on", run.run_id, run.lease_owner)


async def reschedule(client: PrefectClient, run_id: str) -> None:
    """Make Prefect offer a run again that it believes to be under way, or to have crashed."""
    try:
        flow_run = await client.read_flow_run(UUID(run_id))
    except ObjectNotFound:
        log.error("run %s is unknown to the Prefect server", run_id)
        return
    state = flow_run.state
    if state is not None and state.type in {
        StateType.PENDING,
        StateType.RUNNING,
        StateType.CRASHED,
        StateType.FAILED,
    }:
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)


async def deliver_answers(client: PrefectClient, ledger: Ledger) -> None:
    """Wake runs whose answer was accepted and that are still asleep."""
    for review in await ledger.read(reviews.undelivered):
        if await wake(client, review):
            await ledger.write(reviews.mark_delivered, review)


async def wake(client: PrefectClient, review: Review) -> bool:
    """Resume a suspended run with the form that the ledger holds; True when it is awake.

    Prefect's input carries the answer, for whoever looks there; the gate reads the ledger.
    """
    flow_run = await client.read_flow_run(UUID(review.run_id))
    state = flow_run.state
    if state is None or not state.is_paused():
        # Not asleep yet (the answer came while it was being put to sleep), or awake already.
        return state is None or state.is_final() or state.is_scheduled() or state.is_pending()
    outcome = await client.resume_flow_run(flow_run.id, run_input=review.fields or {})
    if outcome.status.value == "REJECT":
        log.error("run %s was not woken: %s", review.run_id, _reason(outcome))
    return outcome.status.value == "ACCEPT"


async def start_missing(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """Start the runs of applications that were accepted just before somebody died."""
    for row in await ledger.read(runs.without_run):
        order = Order.model_validate(row.order)
        await launch(client, ledger, deployment_id, row.application_id, order)
        log.warning("application %s was accepted without a run; started it", row.application_id)


def _left_behind(connection: Any) -> list[Run]:
    silent = {run.run_id: run for run in runs.abandoned(connection)}
    for run in runs.leased(connection):
        if run.lease_owner and _died_here(run.lease_owner):
            silent[run.run_id] = run
    return list(silent.values())


def _died_here(owner: str) -> bool:
    """Whether a lease belongs to a process of this host that is gone: no need to wait then."""
    host, pid, _ = owner.split(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _reason(outcome: Any) -> str:
    return str(getattr(outcome.details, "reason", "no reason given"))
