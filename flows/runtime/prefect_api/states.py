"""What Prefect believes of the desk's runs, and how it is told what the ledger knows.

Prefect offers work and shows it; the ledger knows what became of it. Where the two differ, Prefect
is told by force: its own rules are for runs that have no other record.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
    TaskRunFilterId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Completed, Crashed, Failed, Running

from data.contracts.errors import CreditDeskError, UnavailableError, UnknownToPrefectError
from data.contracts.review import Review
from data.contracts.runs import RunStatus
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api.client import (
    FlowRun,
    PrefectClient,
    State,
    at_border,
    prefect_client,
)

MAX_COMPARED = 200
"""How many runs one call asks about: the most that Prefect answers."""

OFFERED = (StateType.SCHEDULED,)
"""How Prefect has a run that waits for a worker."""
ASLEEP = (StateType.SCHEDULED, StateType.PAUSED)
"""How Prefect has a run that waits for a person; one that was woken a moment ago is offered."""

_SETTLED_SECONDS = 5.0
_UNDER_WAY = {StateType.PENDING, StateType.RUNNING, StateType.CRASHED, StateType.FAILED}
_TASK_UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]

log = logging.getLogger(__name__)


# -- looking -----------------------------------------------------------------------------------


@at_border
async def flow_run(client: PrefectClient, flow_run_id: str) -> FlowRun | None:
    """A run as Prefect knows it; None when it does not."""
    try:
        return await client.read_flow_run(UUID(flow_run_id))
    except ObjectNotFound:
        log.error("flow run %s is unknown to the Prefect server", flow_run_id)
        return None


@at_border
async def cancelled_among(client: PrefectClient, flow_run_ids: Iterable[str]) -> list[str]:
    """The ids of those of these runs that were cancelled in Prefect."""
    stopped = FlowRunFilterStateType(any_=[StateType.CANCELLING, StateType.CANCELLED])
    return [str(found.id) for found in await _filtered(client, flow_run_ids, stopped)]


@at_border
async def all_are(
    client: PrefectClient, flow_run_ids: Iterable[str], expected: Sequence[StateType]
) -> bool:
    """Whether Prefect has each of these runs in one of these states: a number instead of runs."""
    types = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(expected)))
    for portion in _in_portions(flow_run_ids):
        asked = FlowRunFilter(id=FlowRunFilterId(any_=portion), state=types)
        if await client.count_flow_runs(flow_run_filter=asked) < len(portion):
            return False
    return True


@at_border
async def others_than(
    client: PrefectClient, flow_run_ids: Iterable[str], expected: Sequence[StateType]
) -> list[FlowRun]:
    """Those of these runs that Prefect has in another state: few, as a rule."""
    types = FlowRunFilterStateType(not_any_=list(expected))
    return await _filtered(client, flow_run_ids, types)


@at_border
async def unknown(client: PrefectClient, flow_run_ids: Iterable[str]) -> list[str]:
    """Those of these runs that Prefect does not know: they were deleted there."""
    missing: list[str] = []
    for portion in _in_portions(flow_run_ids):
        asked = FlowRunFilter(id=FlowRunFilterId(any_=portion))
        if await client.count_flow_runs(flow_run_filter=asked) < len(portion):
            found = await client.read_flow_runs(flow_run_filter=asked, limit=len(portion))
            known = {flow_run.id for flow_run in found}
            missing += [str(wanted) for wanted in portion if wanted not in known]
    return missing


@at_border
async def unfinished(client: PrefectClient, deployment_id: UUID) -> list[FlowRun]:
    """The runs of a deployment that Prefect believes to be executed at the moment."""
    return await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)),
        ),
        limit=MAX_COMPARED,
    )


@at_border
async def count_named(client: PrefectClient, name: str) -> int:
    """How many flow runs Prefect has under a name."""
    named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    return await client.count_flow_runs(flow_run_filter=named)


def is_settled(state: State[Any]) -> bool:
    """Whether a state is older than the moment between two steps of a worker."""
    return (datetime.now(UTC) - state.timestamp).total_seconds() > _SETTLED_SECONDS


# -- telling -----------------------------------------------------------------------------------


@at_border
async def reschedule(
    client: PrefectClient,
    flow_run_id: str,
    *,
    seen: State[Any] | None = None,
    or_paused: bool = False,
    not_before: datetime | None = None,
) -> None:
    """Make Prefect offer a run again, now or at a time.

    With `seen`, only while that is still its state: another process may have been first. Without
    it, only if Prefect believes the run to be under way, or to have ended badly; with `or_paused`
    also if it sleeps.
    """
    found = await flow_run(client, flow_run_id)
    state = found.state if found else None
    if found is None or state is None:
        return
    offered_from = _UNDER_WAY | ({StateType.PAUSED} if or_paused else set())
    if state.id == seen.id if seen else state.type in offered_from:
        await _set(client, flow_run_id, AwaitingRetry(scheduled_time=not_before))


@at_border
async def offer_again(client: PrefectClient, flow_run_id: str) -> None:
    """Make Prefect offer a run again, from any state."""
    await _set(client, flow_run_id, AwaitingRetry())


@at_border
async def end(
    client: PrefectClient, flow_run_id: str, status: RunStatus, message: str = ""
) -> None:
    """Tell Prefect how a run has ended."""
    await _set(client, flow_run_id, ended_as(status, message))


@at_border
async def end_as_crashed(client: PrefectClient, flow_run_id: str, message: str) -> None:
    """Tell Prefect that a run was given up."""
    await _set(client, flow_run_id, Crashed(message=message))


@at_border
async def ask_to_cancel(client: PrefectClient, flow_run_id: str) -> None:
    """Tell Prefect, and through it the worker, that a run is to stop."""
    await _set(client, flow_run_id, Cancelling())


@at_border
async def mark_owner(client: PrefectClient, flow_run_id: str, owner: str) -> None:
    """Note in Prefect which worker executes a job: jobs have no lease in the ledger."""
    await client.update_flow_run(UUID(flow_run_id), infrastructure_pid=owner)


@at_border
async def close_children(client: PrefectClient, flow_run_id: str) -> None:
    """End the subflows of a run that is not executed again: none stays in Running for ever."""
    parent = FlowRunFilterParentFlowRunId(any_=[UUID(flow_run_id)])
    for child in await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=parent), limit=MAX_COMPARED
    ):
        if child.state is not None and not child.state.is_final():
            await _set(client, str(child.id), Cancelled())


@at_border
async def close_task_runs(
    client: PrefectClient, flow_run_id: str, of: Collection[UUID] | None = None
) -> None:
    """End the task runs that no process executes any more: those named, or all unfinished ones.

    Prefect would show them as running for ever: the process that would have told of their end was
    killed, and Dask tells of no end when it gives a task up.
    """
    if of is not None and not of:
        return
    asked = TaskRunFilter(
        flow_run_id=TaskRunFilterFlowRunId(any_=[UUID(flow_run_id)]),
        id=TaskRunFilterId(any_=list(of)) if of else None,
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_TASK_UNFINISHED)),
    )
    for found in await client.read_task_runs(task_run_filter=asked, limit=MAX_COMPARED):
        gone: State[Any] = Crashed(message="The process that executed it is gone")
        await client.set_task_run_state(found.id, gone, force=True)


@at_border
async def forget_typed(client: PrefectClient, flow_run_id: str, pause_key: str = "") -> None:
    """Delete what people typed into the forms of a run: of one request, or of all.

    The ledger has all that counts. Prefect would keep the rest for ever, also personal data that
    the desk refused.
    """
    for entry in await client.filter_flow_run_input(
        flow_run_id=UUID(flow_run_id),
        key_prefix=f"suspended-{pause_key}-" if pause_key else "suspended-",
        limit=MAX_COMPARED,
        exclude_keys=set(),
    ):
        if entry.key.endswith("-response"):
            with suppress(ObjectNotFound):  # another process deleted it first
                await client.delete_flow_run_input(UUID(flow_run_id), entry.key)


@at_border
async def reconcile_state(run: Run, epoch: int, left: State[Any] | None) -> None:
    """Correct the state in which an execution has left its run in Prefect, if the ledger differs.

    `left` is the state that Prefect's engine has written, as far as it is known. The engine also
    writes an end for an execution that had lost its run, calls an execution crashed that was
    stopped in its first or last moments, and knows nothing of stages that an earlier execution
    left behind.
    """
    lost = run.lease_epoch != epoch
    if run.status.has_ended:
        contradicts = lost or left is None or left.type is not ended_as(run.status).type
        if not contradicts and epoch == 1:
            return
        async with prefect_client() as client:
            await close_children(client, run.flow_run_id)
            if contradicts:
                await end(client, run.flow_run_id, run.status)
    elif lost and run.lease_owner is not None:
        async with prefect_client() as client:
            await _set(client, run.flow_run_id, Running())


def ended_as(status: RunStatus, message: str = "") -> State[Any]:
    """What Prefect should believe of a run whose end the ledger knows."""
    match status:
        case RunStatus.COMPLETED:
            return Completed(message=message or None)
        case RunStatus.CANCELLED:
            return Cancelled(message=message or "Stopped on request")
        case _:
            return Failed(message=message or None)


# -- requests ----------------------------------------------------------------------------------


def pause_key(review: Review) -> str:
    """What Prefect calls the pauses at a request; each execution adds its own number."""
    return f"{review.gate.replace('_', '-')}-{review.attempt}"


def sleeps_at(state: State[Any], review: Review) -> bool:
    """Whether a paused run waits for the answer to this request, and for nothing else."""
    return str(state.state_details.pause_key or "").startswith(f"{pause_key(review)}-")


@contextmanager
def isolate_errors(name: str) -> Iterator[None]:
    """Let an error that concerns one run only not keep the others from being looked after.

    A server or a ledger that is out of reach concerns all of them, and is raised.
    """
    try:
        yield
    except UnknownToPrefectError as error:
        log.warning("%s could not be looked after: %s", name, error)
    except UnavailableError:
        raise
    except CreditDeskError as error:
        log.warning("%s could not be looked after: %s", name, error)
    except Exception:
        log.exception("%s could not be looked after", name)


async def _set(client: PrefectClient, flow_run_id: str, state: State[Any]) -> None:
    await client.set_flow_run_state(UUID(flow_run_id), state, force=True)


async def _filtered(
    client: PrefectClient, flow_run_ids: Iterable[str], types: FlowRunFilterStateType
) -> list[FlowRun]:
    found: list[FlowRun] = []
    for portion in _in_portions(flow_run_ids):
        asked = FlowRunFilter(
            id=FlowRunFilterId(any_=portion), state=FlowRunFilterState(type=types)
        )
        found += await client.read_flow_runs(flow_run_filter=asked, limit=len(portion))
    return found


def _in_portions(flow_run_ids: Iterable[str]) -> Iterator[list[UUID]]:
    wanted = [UUID(flow_run_id) for flow_run_id in flow_run_ids]
    for start in range(0, len(wanted), MAX_COMPARED):
        yield wanted[start : start + MAX_COMPARED]
