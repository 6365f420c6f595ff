"""The same story as Prefect runs that one can watch, or as plain awaits that leave no trace."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.runtime.execution.executor import InlineExecutor, OrchestratedExecutor
from tests.desk import Desk, StartedRun

STAGES = {
    "stage doc_intake",
    "stage verification",
    "stage bureau",
    "stage risk_ensemble",
    "stage pricing",
    "stage decision",
}
"""Those of a straight run that carry agents; policy and review are no subflows."""


@pytest.fixture(scope="session")
async def finished(desk: Desk) -> StartedRun:
    run = await desk.start("ada-prime")
    await run.events()
    return run


async def found(desk: Desk, what: str, **filters: Any) -> list[dict[str, Any]]:
    """What Prefect itself answers to a filter."""
    async with httpx.AsyncClient(base_url=f"{desk.prefect_url}/api") as client:
        answer = await client.post(f"/{what}/filter", json=filters)
    listed: list[dict[str, Any]] = answer.raise_for_status().json()
    return listed


async def subflows(desk: Desk, run: StartedRun) -> list[dict[str, Any]]:
    parent = {"parent_flow_run_id": {"any_": [await run.flow_run_id()]}}
    return await found(desk, "flow_runs", flow_runs=parent)


async def test_stages_are_subflows_of_the_run_and_have_no_parameters(
    desk: Desk, finished: StartedRun
) -> None:
    stages = await subflows(desk, finished)

    assert {stage["name"] for stage in stages} == STAGES
    assert [stage["parameters"] for stage in stages] == [{}] * len(STAGES)
    assert {stage["state_type"] for stage in stages} == {"COMPLETED"}


async def test_prefect_knows_of_a_run_its_ids_only(desk: Desk, finished: StartedRun) -> None:
    flow_run_id = await finished.flow_run_id()
    (flow_run,) = await found(desk, "flow_runs", flow_runs={"id": {"any_": [flow_run_id]}})

    assert flow_run_id != finished.run_id
    assert flow_run["name"] == f"underwrite {finished.application_id}"
    assert flow_run["parameters"] == {
        "application_id": finished.application_id,
        "run_id": finished.run_id,
    }


async def test_a_memo_is_left_with_the_run_itself_and_once_however_often_it_is_published(
    desk: Desk, finished: StartedRun
) -> None:
    flow_run_id = await finished.flow_run_id()
    mine = {"flow_run_id": {"any_": [flow_run_id]}}
    (memo,) = await found(desk, "artifacts", artifacts=mine)

    with temporary_settings(updates={PREFECT_API_URL: f"{desk.prefect_url}/api"}):
        await OrchestratedExecutor(flow_run_id).publish("decision-memo", "once more")

    assert memo["key"] == "decision-memo"
    assert await found(desk, "artifacts", artifacts=mine) == [memo]


async def test_agents_are_tasks_of_their_stage_and_take_nothing(
    desk: Desk, finished: StartedRun
) -> None:
    names = set()
    for stage in await subflows(desk, finished):
        tasks = await found(desk, "task_runs", flow_runs={"id": {"any_": [stage["id"]]}})
        assert all(task["task_inputs"] == {} for task in tasks)
        names |= {task["name"] for task in tasks}

    assert {"agent kyc", "agent fraud", "agent income", "agent credit_risk.bureau"} <= names
    assert all(name.startswith("agent ") for name in names)


async def test_inline_nothing_of_prefect_is_touched() -> None:
    executor = InlineExecutor()

    async def body() -> str:
        assert FlowRunContext.get() is None
        return "done"

    assert await executor.stage("check", 1, body) == "done"
    assert await executor.agent("balance", body) == "done"
    await executor.publish("memo", "text")
    await executor.tag("gate:manager")
