"""What was begun and not finished: found in the ledger, and finished.

Run by the worker and by the API, at their start and every few seconds. Each function may be
executed by several processes at once and any number of times; what it does, it does once.
Prefect's Crashed is not an end here: a run goes on as long as the ledger says that it lives.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Running,
)

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.review import Review
from data.contracts.runs import Failure, RunStatus
from data.settings import settings
from flows.runtime import checkpoints, events, reviews, runs
from flows.runtime.deadlines import enforce_deadlines
from flows.runtime.events import Draft, current_trace
from flows.runtime.launch import Order, launch
from flows.runtime.ledger import Ledger, now
from flows.runtime.runs import Run

ALONE_AFTER = 2
"""Deaths of a worker within one stage after which the run is executed by itself."""
GIVEN_UP_AFTER = 3
"""Further deaths, by itself and without a new checkpoint, after which it is set aside."""

KEPT_HERE = "see the desk's journal"
"""What Prefect is told in place of who decided and why."""

MOST_FALSE_STARTS = 5
"""Executions that failed before the run was opened, after which it has failed."""

_MOST_COMPARED = 200
_A_MOMENT_SECONDS = 5.0
_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_UNDER_WAY = {StateType.PENDING, StateType.RUNNING, StateType.CRASHED, StateType.FAILED}

log = logging.getLogger(__name__)


async def sweep(client: PrefectClient, ledger: Ledger, deployment_id: UUID, instance: str) -> None:
    """Do all of it. Prefect being out of reach is not an error here: the next sweep comes."""
    await enforce_deadlines(ledger, settings())
    try:
        await requeue_abandoned(client, ledger, instance)
        await deliver_answers(client, ledger)
        await deliver_cancels(client, ledger)
        await start_missing(client, ledger, deployment_id)
        await reconcile(client, ledger)
        await close_ended(client, ledger, deployment_id)
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        log.warning("sweep interrupted: the Prefect server did not answer (%s)", error)


# -- workers that died -----------------------------------------------------------------------


async def requeue_abandoned(client: PrefectClient, ledger: Ledger, instance: str) -> None:
    """Put runs whose worker has fallen silent, or died on this host, back into the queue."""
    for run in await ledger.read(_left_behind):
        written, given_up = await ledger.write(_bury, run, instance)
        events.publish(written)
        if given_up is None:
            continue  # another sweep was first, or the worker came back in time
        if given_up:
            await close_children(client, run.run_id)
            await _end_in_prefect(client, run.run_id, Crashed(message="Set aside"))
        else:
            await reschedule(client, run.run_id)
        log.warning("run %s was left behind by %s", run.run_id, run.lease_owner)


def _bury(connection: sa.Connection, seen: Run, instance: str) -> tuple[list[Event], bool | None]:
    """Take the dead worker's lease away, count its death, and decide how the run goes on.

    Whether it is given up; None when the lease has changed hands since it was looked at.
    """
    run = runs.find(connection, seen.run_id)
    if (run.lease_owner, run.lease_epoch) != (seen.lease_owner, seen.lease_epoch):
        return [], None
    if run.lease_until >= now() and not died_here(str(run.lease_owner)):
        return [], None
    if run.status is not RunStatus.RUNNING:
        runs.release(connection, run.run_id, run.lease_epoch)
        return [], False
    deaths = dict(run.deaths)
    if _desk_of(run.lease_owner) == instance:  # the desk lived on: the worker died alone
        deaths = _one_more(deaths, run.phase, checkpoints.count(connection, run.run_id))
    given_up = deaths.get("alone_count", 0) >= GIVEN_UP_AFTER
    drafts = []
    if run.last_event_id:  # a journal begins with its run's start
        drafts.append(
            _note(
                run,
                f"lost/{run.lease_epoch}",
                EventType.ERROR,
                "The worker was lost; the run goes on from its last checkpoint",
                {"code": "worker_lost", "execution": run.lease_epoch, **deaths},
            )
        )
    changes: dict[str, Any] = {"deaths": deaths}
    if given_up:
        failure = Failure(
            code="worker_killer",
            message=f"workers die of this run: {GIVEN_UP_AFTER} times alone in one stage",
            stage=run.phase,
        ).model_dump(mode="json")
        drafts.append(
            _note(run, f"run.failed/{run.lease_epoch}", EventType.RUN_FAILED, "Set aside", failure)
        )
        changes |= {"status": RunStatus.FAILED, "error": failure}
    written = events.append(connection, run.run_id, drafts, epoch=run.lease_epoch, **changes)
    runs.release(connection, run.run_id, run.lease_epoch)
    return written, given_up


def _one_more(deaths: dict[str, Any], phase: str, saved: int) -> dict[str, Any]:
    """Count a death: by stage until the run is executed alone, by checkpoint from then on."""
    if deaths.get("alone"):
        same = deaths.get("alone_at") == saved
        return {
            **deaths,
            "alone_at": saved,
            "alone_count": deaths["alone_count"] + 1 if same else 1,
        }
    place = f"{phase}/{saved}"
    count = deaths.get("count", 0) + 1 if deaths.get("place") == place else 1
    told = {"place": place, "count": count, "alone": count >= ALONE_AFTER}
    return told | {"alone_at": saved, "alone_count": 0} if told["alone"] else told


def put_back(connection: sa.Connection, run_id: str) -> list[Event]:
    """Put a run back into the queue whose worker lives, and had to leave it without a word."""
    run = runs.find(connection, run_id)
    written: list[Event] = []
    if run.status is RunStatus.RUNNING:
        draft = _note(
            run,
            f"interrupted/{run.lease_epoch}",
            EventType.ERROR,
            "Interrupted: the desk was out of order; goes on from the last checkpoint",
            {"code": "interrupted", "execution": run.lease_epoch},
        )
        written = events.append(connection, run_id, [draft], epoch=run.lease_epoch)
    runs.release(connection, run_id, run.lease_epoch)
    return written


def count_false_start(connection: sa.Connection, run_id: str, epoch: int) -> list[Event]:
    """Note an execution that failed before the run was opened; too many are the run's end.

    Of a run that was opened the ledger knows how it ended: there is nothing to note then.
    """
    run = runs.find(connection, run_id)
    if run.status is not RunStatus.RUNNING or run.lease_epoch != epoch:
        return []
    times = run.deaths.get("false_starts", 0) + 1
    changes: dict[str, Any] = {"deaths": {**run.deaths, "false_starts": times}}
    drafts = []
    if times >= MOST_FALSE_STARTS:
        failure = Failure(
            code="not_opened",
            message=f"failed {times} times before it was opened; the worker's log says why",
        ).model_dump(mode="json")
        drafts.append(
            _note(run, f"run.failed/{epoch}", EventType.RUN_FAILED, "Run failed", failure)
        )
        changes |= {"status": RunStatus.FAILED, "error": failure}
    return events.append(connection, run_id, drafts, epoch=epoch, **changes)


async def reschedule(client: PrefectClient, run_id: str, seen: State[Any] | None = None) -> None:
    """Make Prefect offer a run again that it believes to be under way, or to have ended badly.

    With `seen`, only if that is still its state: somebody else may have been first.
    """
    flow_run = await _flow_run(client, run_id)
    state = flow_run.state if flow_run else None
    if flow_run is None or state is None or state.type not in _UNDER_WAY:
        return
    if seen is None or seen.id == state.id:
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)


def requeue(connection: sa.Connection, run_id: str, by: str) -> list[Event]:
    """Let a run that failed go on: as if it had never been set aside."""
    run = runs.find(connection, run_id)
    draft = _note(
        run,
        f"requeued/{run.lease_epoch}",
        EventType.PROGRESS,
        "Resumed on request",
        {"by": by},
        here=True,
    )
    return events.append(
        connection, run_id, [draft], status=RunStatus.QUEUED, error=None, deaths={}
    )


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
    flow_run = await _flow_run(client, review.run_id)
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
        flow_run = await _flow_run(client, run.run_id)
        ended = flow_run is None or flow_run.state is None or flow_run.state.is_final()
        if run.status.has_ended:
            if not ended:
                await close_children(client, run.run_id)
                await _end_in_prefect(client, run.run_id, Cancelled(message="Stopped on request"))
            await ledger.write(runs.has_stopped, run.run_id)
        elif flow_run is not None and not ended and not _is_cancelling(flow_run):
            await client.set_flow_run_state(flow_run.id, Cancelling(), force=True)


def _end_cancelled(connection: sa.Connection, run: Run, by: str) -> list[Event]:
    draft = _note(
        run, "run.cancelled", EventType.RUN_CANCELLED, "Run cancelled", {"by": by}, here=True
    )
    reviews.close(connection, run.run_id)
    return events.append(connection, run.run_id, [draft], status=RunStatus.CANCELLED)


# -- what Prefect knows and the ledger does not --------------------------------------------------


async def reconcile(client: PrefectClient, ledger: Ledger) -> None:
    """Take over what was done to idle runs past the desk: cancelled, or left crashed."""
    idle = {run.run_id: run for run in await ledger.read(runs.idle, _MOST_COMPARED)}
    for flow_run in await _flow_runs(client, idle):
        run, state = idle[str(flow_run.id)], flow_run.state
        if state is None:
            continue
        if state.is_cancelled():
            events.publish(await ledger.write(_end_cancelled, run, "prefect"))
            await close_children(client, run.run_id)
        elif state.is_cancelling():
            await ledger.write(request_cancel, run.run_id, "prefect")
        elif state.type in {StateType.CRASHED, StateType.FAILED} or (
            state.type in {StateType.PENDING, StateType.RUNNING} and _has_stood(state)
        ):
            await reschedule(client, run.run_id, state)


async def close_ended(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """End in Prefect what has ended in the ledger, when who should have said so was killed."""
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)),
        ),
        limit=_MOST_COMPARED,
    )
    if not found:
        return
    known = await ledger.read(runs.find_all, [str(flow_run.id) for flow_run in found])
    for flow_run in found:
        run = known.get(str(flow_run.id))
        if run is None or not run.status.has_ended or run.lease_owner is not None:
            continue
        if flow_run.state is not None and _has_stood(flow_run.state):
            await close_children(client, run.run_id)
            await _end_in_prefect(client, run.run_id, prefect_state(run.status))


async def start_missing(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """Start the runs of applications that were accepted just before somebody died."""
    for row in await ledger.read(runs.without_run):
        order = Order.model_validate(row.order)
        await launch(client, ledger, deployment_id, row.application_id, order)
        log.warning("application %s was accepted without a run; started it", row.application_id)


async def tidy_up(ledger: Ledger, run_id: str, epoch: int) -> None:
    """Mend in Prefect what an execution has left there that was not the run's only one.

    The engine writes an end also for an execution that had lost its run to another; and stages
    that were killed in an earlier execution stand there as running.
    """
    run = await ledger.read(runs.find, run_id)
    if run.lease_epoch == 1:
        return
    async with get_client() as client:
        if run.status.has_ended:
            await close_children(client, run_id)
            if run.lease_epoch != epoch:
                await _end_in_prefect(client, run_id, prefect_state(run.status))
        elif run.lease_epoch != epoch and run.lease_owner is not None:
            await client.set_flow_run_state(UUID(run_id), Running(), force=True)


async def close_children(client: PrefectClient, run_id: str) -> None:
    """End the subflows of a run that will not be executed again: none hangs in Running."""
    parent = FlowRunFilterParentFlowRunId(any_=[UUID(run_id)])
    for child in await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=parent), limit=_MOST_COMPARED
    ):
        if child.state is not None and not child.state.is_final():
            await client.set_flow_run_state(child.id, Cancelled(), force=True)


async def _end_in_prefect(client: PrefectClient, run_id: str, state: Any) -> None:
    await client.set_flow_run_state(UUID(run_id), state, force=True)


async def _flow_run(client: PrefectClient, run_id: str) -> FlowRun | None:
    try:
        return await client.read_flow_run(UUID(run_id))
    except ObjectNotFound:
        log.error("run %s is unknown to the Prefect server", run_id)
        return None


async def _flow_runs(client: PrefectClient, run_ids: Iterable[str]) -> list[FlowRun]:
    wanted = [UUID(run_id) for run_id in run_ids]
    if not wanted:
        return []
    ids = FlowRunFilterId(any_=wanted)
    return await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=ids), limit=len(wanted))


def prefect_state(status: RunStatus) -> Any:
    """What Prefect should believe of a run whose end the ledger knows."""
    if status is RunStatus.COMPLETED:
        return Completed()
    return Cancelled() if status is RunStatus.CANCELLED else Failed()


def _has_stood(state: State[Any]) -> bool:
    """Whether a state is older than the moment between two steps of a worker."""
    return (datetime.now(UTC) - state.timestamp).total_seconds() > _A_MOMENT_SECONDS


def _is_cancelling(flow_run: FlowRun) -> bool:
    return flow_run.state is not None and flow_run.state.is_cancelling()


def _note(
    run: Run,
    key: str,
    type: EventType,
    message: str,
    meta: dict[str, Any],
    *,
    here: bool = False,
) -> Draft:
    """An event written about a run from outside; in the run's trace, or in the caller's."""
    trace_id, span_id = current_trace() if here else (run.trace_id, "0" * 16)
    return Draft(
        key=key,
        type=type,
        phase=run.phase,
        message=message,
        progress=run.progress,
        meta=meta,
        trace_id=trace_id,
        span_id=span_id,
    )


def _left_behind(connection: sa.Connection) -> list[Run]:
    silent = {run.run_id: run for run in runs.abandoned(connection)}
    for run in runs.leased(connection):
        if run.lease_owner and died_here(run.lease_owner):
            silent[run.run_id] = run
    return list(silent.values())


def died_here(owner: str) -> bool:
    """Whether a lease belongs to a process of this host that is gone: no need to wait then."""
    host, pid, _, _ = owner.split(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _desk_of(owner: str | None) -> str:
    """Which start of which desk a lease's owner belonged to."""
    return owner.split(":")[3] if owner else ""
