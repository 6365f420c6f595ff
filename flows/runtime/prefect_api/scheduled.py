"""The runs that Prefect has scheduled and that are due, and claiming one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import Abort, ObjectNotFound
from prefect.states import Pending
from prefect.utilities.engine import propose_state

from flows.runtime.prefect_api.client import FlowRun, PrefectClient, State, at_border

_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


@at_border
async def due(client: PrefectClient, pools: Sequence[str], limit: int) -> list[FlowRun]:
    """The runs of these pools whose time has come, the longest due first."""
    due_before = FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC))
    return await _found(client, pools, [StateType.SCHEDULED], limit, due_before)


@at_border
async def under_way(client: PrefectClient, pools: Sequence[str], limit: int) -> list[FlowRun]:
    """The runs of these pools that Prefect believes to be executed at the moment."""
    return await _found(client, pools, _UNDER_WAY, limit)


@at_border
async def claim(client: PrefectClient, flow_run: FlowRun) -> State[Any] | None:
    """Claim a due run for this worker; its state now.

    None when another worker claimed it first, or when it was deleted. Prefect accepts one
    proposal of Pending and refuses the second.
    """
    try:
        accepted = await propose_state(client, Pending(), flow_run_id=flow_run.id)
    except (Abort, ObjectNotFound):
        return None
    return accepted if accepted.is_pending() else None


async def _found(
    client: PrefectClient,
    pools: Sequence[str],
    types: list[StateType],
    limit: int,
    due_before: FlowRunFilterNextScheduledStartTime | None = None,
) -> list[FlowRun]:
    wanted = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)),
        next_scheduled_start_time=due_before,
    )
    return await client.read_flow_runs(
        flow_run_filter=wanted,
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=list(pools))),
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
        limit=limit,
    )
