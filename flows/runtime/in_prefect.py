"""What Prefect believes of our runs, and how it is told what the ledger knows.

Prefect offers work and shows it; the ledger knows what became of it. Where the two differ,
Prefect is told, by force: its own rules are for runs that have no other record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Completed, Failed, Running

from data.contracts.runs import RunStatus
from flows.runtime import runs
from flows.runtime.ledger import Ledger

MOST_COMPARED = 200
"""How many runs are looked at in one go."""

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


async def flow_runs(client: PrefectClient, run_ids: Iterable[str]) -> list[FlowRun]:
    """Those of these runs that Prefect knows."""
    wanted = [UUID(run_id) for run_id in run_ids]
    if not wanted:
        return []
    ids = FlowRunFilterId(any_=wanted)
    return await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=ids), limit=len(wanted))


async def reschedule(client: PrefectClient, run_id: str, seen: State[Any] | None = None) -> None:
    """Make Prefect offer a run again that it believes to be under way, or to have ended badly.

    With `seen`, only if that is still its state: somebody else may have been first.
    """
    found = await flow_run(client, run_id)
    state = found.state if found else None
    if found is None or state is None or state.type not in _UNDER_WAY:
        return
    if seen is None or seen.id == state.id:
        await client.set_flow_run_state(found.id, AwaitingRetry(), force=True)


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
                await end(client, run_id, state_of(run.status))
        elif run.lease_epoch != epoch and run.lease_owner is not None:
            await client.set_flow_run_state(UUID(run_id), Running(), force=True)


def state_of(status: RunStatus) -> Any:
    """What Prefect should believe of a run whose end the ledger knows."""
    if status is RunStatus.COMPLETED:
        return Completed()
    return Cancelled() if status is RunStatus.CANCELLED else Failed()


def has_stood(state: State[Any]) -> bool:
    """Whether a state is older than the moment between two steps of a worker."""
    return (datetime.now(UTC) - state.timestamp).total_seconds() > _A_MOMENT_SECONDS
