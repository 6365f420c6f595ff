"""Offers: the runs that Prefect would hand out now, and taking one so that nobody else does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import Abort, ObjectNotFound
from prefect.states import Pending
from prefect.utilities.engine import propose_state


async def due(client: PrefectClient, pools: Sequence[str], limit: int) -> list[FlowRun]:
    """The runs of these pools whose time has come, the longest due first."""
    return await in_states(client, pools, [StateType.SCHEDULED], limit, datetime.now(UTC))


async def in_states(
    client: PrefectClient,
    pools: Sequence[str],
    types: list[StateType],
    limit: int,
    due_before: datetime | None = None,
) -> list[FlowRun]:
    """The runs of these pools that are in one of these states."""
    wanted = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)),
        next_scheduled_start_time=(
            FlowRunFilterNextScheduledStartTime(before_=due_before) if due_before else None
        ),
    )
    return await client.read_flow_runs(
        flow_run_filter=wanted,
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=list(pools))),
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
        limit=limit,
    )


async def take(client: PrefectClient, flow_run: FlowRun) -> State[Any] | None:
    """Take an offer: the state it is in now, None when somebody else was first or it is gone."""
    try:
        accepted = await propose_state(client, Pending(), flow_run_id=flow_run.id)
    except (Abort, ObjectNotFound):
        return None
    return accepted if accepted.is_pending() else None
