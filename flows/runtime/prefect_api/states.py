"""What Prefect believes of our runs, and how it is told what the ledger knows.

Prefect offers work and shows it; the ledger knows what became of it. Where the two differ,
Prefect is told, by force: its own rules are for runs that have no other record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import AwaitingRetry, Cancelled, Completed, Failed, Running

from data.contracts.errors import UnavailableError
from data.contracts.review import Review
from data.contracts.runs import RunStatus
from flows.runtime.ledger.runs import Run

MOST_COMPARED = 200
"""How many runs are asked about in one go: what Prefect answers at most."""

_A_MOMENT_SECONDS = 5.0
_UNDER_WAY = {StateType.PENDING, StateType.RUNNING, StateType.CRASHED, StateType.FAILED}

log = logging.getLogger(__name__)


async def flow_run(client: PrefectClient, run_id: str) -> FlowRun | None:
    """A run as Prefect knows it; None when it does not."""
    try:
        return await client.read_flow_run(UUID(run_id))
    except ObjectNotFound:
        log.error("run %s is unknown to the Prefect server", run_id)
        return None


async def in_states(
    client: PrefectClient, run_ids: Iterable[str], *types: StateType
) -> list[FlowRun]:
    """Those of these runs that Prefect has in one of these states."""
    return await _filtered(client, run_ids, FlowRunFilterStateType(any_=list(types)))


async def astray(
    client: PrefectClient, run_ids: Iterable[str], *expected: StateType
) -> list[FlowRun]:
    """Those of these runs that Prefect has in any other state than these: few, as a rule."""
    return await _filtered(client, run_ids, FlowRunFilterStateType(not_any_=list(expected)))


async def unknown(client: PrefectClient, run_ids: Iterable[str]) -> list[str]:
    """Those of these runs that Prefect does not know: somebody has deleted them there."""
    missing: list[str] = []
    for some in _in_portions(run_ids):
        asked = FlowRunFilter(id=FlowRunFilterId(any_=some))
        if await client.count_flow_runs(flow_run_filter=asked) < len(some):
            found = await client.read_flow_runs(flow_run_filter=asked, limit=len(some))
            missing += [str(one) for one in set(some) - {flow_run.id for flow_run in found}]
    return missing


async def reschedule(
    client: PrefectClient,
    run_id: str,
    *,
    seen: State[Any] | None = None,
    not_before: datetime | None = None,
) -> None:
    """Make Prefect offer a run again, now or at a time.

    With `seen`, if that is still its state: somebody else may have been first. Without, if
    Prefect believes it to be under way, or to have ended badly.
    """
    found = await flow_run(client, run_id)
    state = found.state if found else None
    if found is None or state is None:
        return
    if state.id == seen.id if seen else state.type in _UNDER_WAY:
        again: State[Any] = AwaitingRetry(scheduled_time=not_before)
        await client.set_flow_run_state(found.id, again, force=True)


async def end(client: PrefectClient, run_id: str, state: Any) -> None:
    """Tell Prefect how a run has ended."""
    await client.set_flow_run_state(UUID(run_id), state, force=True)


async def close_children(client: PrefectClient, run_id: str) -> None:
    """End the subflows of a run that will not be executed again: none hangs in Running."""
    parent = FlowRunFilterParentFlowRunId(any_=[UUID(run_id)])
    for child in await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=parent), limit=MOST_COMPARED
    ):
        if child.state is not None and not child.state.is_final():
            await client.set_flow_run_state(child.id, Cancelled(), force=True)


async def forget_typed(client: PrefectClient, run_id: UUID, request: str = "") -> None:
    """Delete what was entered in the forms of a run: of one request by its `pause_key`, or all.

    People type what they should not; the desk refuses it, and Prefect would keep it for ever.
    """
    for entry in await client.filter_flow_run_input(
        flow_run_id=run_id,
        key_prefix=f"suspended-{request}-" if request else "suspended-",
        limit=MOST_COMPARED,
        exclude_keys=set(),
    ):
        if entry.key.endswith("-response"):
            with suppress(ObjectNotFound):  # another process was first
                await client.delete_flow_run_input(run_id, entry.key)


async def tidy_up(run: Run, epoch: int, left: State[Any] | None) -> None:
    """Mend what an execution has left in Prefect, where it contradicts the ledger.

    `left` is the state that the engine left the run in, as far as it told. It writes an end also
    for an execution that had lost its run to another, calls one that was stopped in its first or
    last moments crashed, and knows nothing of stages that were killed in an earlier execution.
    """
    lost = run.lease_epoch != epoch
    if run.status.has_ended:
        end_state = state_of(run.status)
        contradicts = lost or left is None or left.type is not end_state.type
        if not contradicts and epoch == 1:
            return
        async with get_client() as client:
            await close_children(client, run.run_id)
            if contradicts:
                await end(client, run.run_id, end_state)
    elif lost and run.lease_owner is not None:
        async with get_client() as client:
            await client.set_flow_run_state(UUID(run.run_id), Running(), force=True)


def state_of(status: RunStatus) -> State[Any]:
    """What Prefect should believe of a run whose end the ledger knows."""
    ended: State[Any] = {
        RunStatus.COMPLETED: Completed(),
        RunStatus.CANCELLED: Cancelled(message="Stopped on request"),
    }.get(status, Failed())
    return ended


def pause_key(review: Review) -> str:
    """What the pauses at a request are called in Prefect; each execution adds its own number."""
    return f"{review.gate.replace('_', '-')}-{review.attempt}"


def sleeps_at(state: State[Any], review: Review) -> bool:
    """Whether a paused run waits for the answer to this request, and nothing else."""
    return str(state.state_details.pause_key or "").startswith(f"{pause_key(review)}-")


def has_stood(state: State[Any]) -> bool:
    """Whether a state is older than the moment between two steps of a worker."""
    return (datetime.now(UTC) - state.timestamp).total_seconds() > _A_MOMENT_SECONDS


@contextmanager
def one_run(name: str) -> Iterator[None]:
    """Let an error that is of one run only not keep the others from being looked after.

    A server or a ledger that is out of reach is everybody's, and raised.
    """
    try:
        yield
    except (httpx.TransportError, UnavailableError):
        raise
    except PrefectHTTPStatusError as error:
        if error.response.is_server_error:
            raise
        log.warning("%s could not be looked after: %s", name, error)
    except Exception:
        log.exception("%s could not be looked after", name)


async def _filtered(
    client: PrefectClient, run_ids: Iterable[str], types: FlowRunFilterStateType
) -> list[FlowRun]:
    found: list[FlowRun] = []
    for some in _in_portions(run_ids):
        asked = FlowRunFilter(id=FlowRunFilterId(any_=some), state=FlowRunFilterState(type=types))
        found += await client.read_flow_runs(flow_run_filter=asked, limit=len(some))
    return found


def _in_portions(run_ids: Iterable[str]) -> Iterator[list[UUID]]:
    wanted = [UUID(run_id) for run_id in run_ids]
    for start in range(0, len(wanted), MOST_COMPARED):
        yield wanted[start : start + MOST_COMPARED]
