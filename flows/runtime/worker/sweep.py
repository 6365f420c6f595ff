"""What was begun and not finished: found in the ledger, and finished.

Run by the worker and by the API, at their start and every few seconds. Each function may be
executed by several processes at once and any number of times; what it does, it does once.
Prefect's Crashed is not an end here: a run goes on as long as the ledger says that it lives.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
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
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import AwaitingRetry

from data.contracts.errors import ConflictError, CreditDeskError
from data.contracts.events import Event, EventType
from data.contracts.review import Review
from data.contracts.runs import Failure, RunStatus
from data.settings import settings
from flows.runtime.ledger import journal, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import Order
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import cancel, states
from flows.runtime.prefect_api.launch import launch
from flows.runtime.worker import lost_workers
from flows.runtime.worker.deadlines import enforce_deadlines

KEPT_HERE = "see the desk's journal"
"""What Prefect is told in place of who decided and why."""

WAITING_IN_A_SWEEP = 1000
"""How many of the runs that wait for somebody are compared with Prefect in one sweep."""

_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_A_FEW = 20
_SWEEPS_PER_LOOK_FOR_DELETED = 12
"""All idle runs are compared then; whoever deletes a run in Prefect can wait a minute."""

log = logging.getLogger(__name__)


@dataclass
class Turn:
    """Whose turn it is among the runs that wait: with thousands of them, some in each sweep."""

    last: str = ""
    sweeps: int = 0

    def take(self, connection: sa.Connection) -> list[Run]:
        """The next ones; after the last, the first again."""
        taken = runs.waiting(connection, self.last, WAITING_IN_A_SWEEP)
        self.last = taken[-1].run_id if taken else ""
        return taken

    def is_for_deleted(self) -> bool:
        """Whether to look for deleted runs in this sweep: in the first, and in a few after it."""
        self.sweeps += 1
        return self.sweeps % _SWEEPS_PER_LOOK_FOR_DELETED == 1


async def sweep(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, instance: str, turn: Turn
) -> None:
    """Do all of it. What cannot be done now is not an error here: the next sweep comes."""
    duties: list[Callable[[], Awaitable[object]]] = [
        lambda: enforce_deadlines(ledger, settings()),
        lambda: lost_workers.requeue_abandoned(client, ledger, instance),
        lambda: deliver_answers(client, ledger),
        lambda: cancel.deliver(client, ledger),
        lambda: start_missing(client, ledger, deployment_id),
        lambda: reconcile(client, ledger, turn),
        lambda: close_ended(client, ledger, deployment_id),
    ]
    for duty in duties:
        try:
            await duty()
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            log.warning("sweep interrupted: the Prefect server did not answer (%s)", error)
        except CreditDeskError as error:
            log.warning("sweep interrupted: %s", error)
        except Exception:
            log.exception("sweep interrupted")


# -- answers -----------------------------------------------------------------------------------


async def deliver_answers(client: PrefectClient, ledger: Ledger) -> None:
    """Wake runs whose answer was accepted and that are still asleep."""
    for review in await ledger.read(reviews.undelivered):
        with states.one_run(review.run_id):
            if await wake(client, review):
                await ledger.write(reviews.mark_delivered, review)


async def wake(client: PrefectClient, review: Review) -> bool:
    """Resume a suspended run whose answer the ledger holds; True when it is awake.

    Prefect's input carries the decision, for whoever looks there, and none of the words that
    somebody wrote with it; the gate reads the ledger.
    """
    flow_run = await states.flow_run(client, review.run_id)
    state = flow_run.state if flow_run else None
    if flow_run is None or state is None:
        return True
    if not state.is_paused():
        # Running: not asleep yet, the answer came while it was being put to sleep.
        return not state.is_running()
    if not states.sleeps_at(state, review) and state.state_details.run_input_keyset:
        return True  # it sleeps at a later request: it has had this answer
    # The system's own answer fits no form, and a pause by hand has none.
    if review.fields is None or not state.state_details.run_input_keyset:
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)
        return True
    told = review.fields | dict.fromkeys(("reviewer", "reason"), KEPT_HERE)
    outcome = await client.resume_flow_run(flow_run.id, run_input=told)
    if outcome.status.value == "REJECT":
        reason = getattr(outcome.details, "reason", "no reason given")
        log.warning("Prefect did not take the answer of run %s: %s", review.run_id, reason)
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)
    return outcome.status.value in {"ACCEPT", "REJECT"}


# -- what Prefect knows and the ledger does not --------------------------------------------------


async def reconcile(client: PrefectClient, ledger: Ledger, turn: Turn) -> None:
    """Take over what was done to idle runs past the desk: cancelled, deleted, left crashed, or
    paused or completed by hand. All runs that are queued are compared, and some that wait."""
    queued = {run.run_id: run for run in await ledger.read(runs.queued)}
    waiting = {run.run_id: run for run in await ledger.read(turn.take)}
    astray = [
        *await states.astray(client, queued, StateType.SCHEDULED),
        *await states.astray(client, waiting, StateType.SCHEDULED, StateType.PAUSED),
    ]
    idle = queued | waiting
    for flow_run in astray:
        run, state = idle[str(flow_run.id)], flow_run.state
        if state is None:
            continue
        with states.one_run(run.run_id):
            if state.is_cancelled() or state.is_cancelling():
                with suppress(ConflictError):  # the desk was told, too
                    journal.publish(await ledger.write(cancel.request, run.run_id, cancel.PREFECT))
            elif state.is_crashed() or state.is_failed() or states.has_stood(state):
                await states.reschedule(client, run.run_id, seen=state, not_before=run.not_before)
    if turn.is_for_deleted():
        await _end_deleted(client, ledger)


async def _end_deleted(client: PrefectClient, ledger: Ledger) -> None:
    """Let runs fail that were deleted in Prefect: nobody would ever be offered them.

    Prefect is believed about a run if it knows an older one and a later one; about the latest,
    if it knows the one before. A server that is new, or another one, knows nothing older.
    """
    idle = await ledger.read(runs.idle)
    missing = set(await states.unknown(client, idle))
    if not missing:
        return
    oldest = min(idle[run_id] for run_id in missing)

    def around(connection: sa.Connection) -> list[Run]:
        before = runs.page(connection, limit=_A_FEW, before=oldest)
        return before + runs.page(connection, limit=_A_FEW)

    places = idle | {run.run_id: run.place for run in await ledger.read(around)}
    unknown = missing | set(await states.unknown(client, places.keys() - idle.keys()))
    known = [place for run_id, place in places.items() if run_id not in unknown]
    in_order = sorted(places.values())
    if len(in_order) > 1 and in_order[-2] in known:
        known.append(in_order[-1])
    deleted = [one for one in missing if known and min(known) < idle[one] <= max(known)]
    if len(deleted) < len(missing):
        log.error(
            "the Prefect server does not know %d of the desk's runs, nor any around them: "
            "is it the right one?",
            len(missing) - len(deleted),
        )
    for run_id in deleted:
        log.warning("run %s was deleted in Prefect", run_id)
        journal.publish(await ledger.write(_fail_deleted, run_id))


def _fail_deleted(connection: sa.Connection, run_id: str) -> list[Event]:
    run = runs.find(connection, run_id, lock=True)
    if run.status.has_ended or run.lease_owner is not None:
        return []
    failure = Failure(
        code="deleted_in_prefect",
        message="the run was deleted in Prefect and cannot be offered again; a fork can go on",
        stage=run.phase,
    ).model_dump(mode="json")
    key = f"run.failed/deleted/{run.lease_epoch}"
    draft = journal.note(run, key, EventType.RUN_FAILED, "Run failed", failure)
    return journal.append(connection, run_id, [draft], status=RunStatus.FAILED, error=failure)


async def close_ended(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """End in Prefect what has ended in the ledger, when who should have said so was killed."""
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)),
        ),
        limit=states.MOST_COMPARED,
    )
    if not found:
        return
    known = await ledger.read(runs.find_all, [str(flow_run.id) for flow_run in found])
    for flow_run in found:
        run = known.get(str(flow_run.id))
        if run is None or not run.status.has_ended or run.lease_owner is not None:
            continue
        with states.one_run(run.run_id):
            if flow_run.state is not None and states.has_stood(flow_run.state):
                await states.close_children(client, run.run_id)
                await states.end(client, run.run_id, states.state_of(run.status))


async def start_missing(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """Start the runs of applications that were accepted just before somebody died."""
    for row in await ledger.read(runs.without_run):
        with states.one_run(row.application_id):
            order = Order.model_validate(row.order)
            await launch(client, ledger, deployment_id, row.application_id, order)
            log.warning("application %s was accepted without a run; started it", row.application_id)
