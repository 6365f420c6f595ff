"""The subflow of a stage, as a real Prefect server keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Running

from data.contracts.errors import UnknownToPrefectError
from flows.runtime.prefect_api import states, subflows
from tests.desk import Desk

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[PrefectClient]:
    with temporary_settings(updates={PREFECT_API_URL: f"{desk.prefect_url}/api"}):
        unentered = get_client()
    async with unentered as client:
        yield client


async def a_parent(client: PrefectClient) -> UUID:
    @flow(name="parent")
    async def parent() -> None:
        """Only its flow run is needed."""

    return (await client.create_flow_run(parent, state=Running())).id


async def test_a_stage_is_a_running_subflow_of_its_run_until_it_is_told_to_have_ended(
    client: PrefectClient,
) -> None:
    parent_id = await a_parent(client)

    begun = await subflows.begin(client, parent_id, "credit_check", 1, TRACEPARENT)
    running = await client.read_flow_run(begun.id)
    await subflows.end(client, begun, Completed())
    of_the_run = FlowRunFilterParentFlowRunId(any_=[parent_id])
    (ended,) = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=of_the_run)
    )

    assert running.state is not None
    assert running.state.is_running()
    assert running.labels[subflows.TRACEPARENT_LABEL] == TRACEPARENT
    assert ended.id == begun.id
    assert (ended.name, ended.parameters, ended.run_count) == ("stage credit_check", {}, 1)
    assert ended.state is not None
    assert ended.state.is_completed()
    assert ended.start_time is not None
    assert ended.end_time is not None
    assert (await client.read_flow(ended.flow_id)).name == "stage-credit-check"


async def test_a_stage_that_is_repeated_goes_on_in_the_subflow_that_was_left_behind(
    client: PrefectClient,
) -> None:
    parent_id = await a_parent(client)
    first = await subflows.begin(client, parent_id, "check", 1, "")
    await subflows.end(client, first, Crashed())

    again = await subflows.begin(client, parent_id, "check", 1, "")
    second_visit = await subflows.begin(client, parent_id, "check", 2, "")

    assert again.id == first.id != second_visit.id
    assert second_visit.name == "stage check 2"
    stored = await client.read_flow_run(first.id)
    assert stored.state is not None
    assert stored.state.is_running()
    assert stored.run_count == 2


async def test_a_stage_that_was_stopped_is_told_so_and_not_over_the_head_of_its_next_worker(
    client: PrefectClient,
) -> None:
    parent_id = await a_parent(client)
    lost = await subflows.begin(client, parent_id, "check", 1, "")
    taken_over = await subflows.begin(client, parent_id, "check", 1, "")

    await subflows.interrupt(client, lost, Crashed())
    after_the_lost = await client.read_flow_run(lost.id)
    await subflows.interrupt(client, taken_over, Crashed())
    after_its_own = await client.read_flow_run(lost.id)

    assert after_the_lost.state is not None
    assert after_the_lost.state.is_running()
    assert after_its_own.state is not None
    assert after_its_own.state.is_crashed()


async def test_subflows_of_other_stages_and_other_runs_are_other_subflows(
    client: PrefectClient,
) -> None:
    one, other = await a_parent(client), await a_parent(client)

    made = [
        await subflows.begin(client, one, "check", 1, ""),
        await subflows.begin(client, one, "letter", 1, ""),
        await subflows.begin(client, other, "check", 1, ""),
    ]

    assert len({subflow.id for subflow in made}) == 3


async def test_what_a_lost_worker_left_running_is_closed_with_its_run(
    client: PrefectClient,
) -> None:
    parent_id = await a_parent(client)
    begun = await subflows.begin(client, parent_id, "check", 1, "")

    await states.close_children(client, str(parent_id))

    closed = await client.read_flow_run(begun.id)
    assert closed.state is not None
    assert closed.state.is_cancelled()


async def test_a_parent_that_prefect_has_lost_is_told_apart_from_a_wrong_call(
    client: PrefectClient,
) -> None:
    with pytest.raises(UnknownToPrefectError):
        await subflows.begin(client, uuid4(), "check", 1, "")


async def test_flows_that_prefect_has_lost_are_registered_again(client: PrefectClient) -> None:
    parent_id = await a_parent(client)
    lost = await subflows.begin(client, parent_id, "forgotten", 1, "")
    await client.delete_flow(lost.flow_id)

    with pytest.raises(UnknownToPrefectError):
        await subflows.begin(client, parent_id, "forgotten", 2, "")

    begun = await subflows.begin(client, parent_id, "forgotten", 2, "")
    assert begun.flow_id != lost.flow_id
