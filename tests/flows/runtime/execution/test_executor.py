"""The same story as Prefect runs that one can watch, or as plain awaits that leave no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.runtime.execution.engine import prepared
from flows.runtime.execution.executor import InlineExecutor, OrchestratedExecutor
from flows.runtime.execution.flow_run import current_flow_run
from flows.runtime.prefect_api.task_runs import UNNOTICED_SECONDS
from tests.desk import PATIENCE_SECONDS, Desk, StartedRun

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
    return await children(desk, await run.flow_run_id())


async def children(desk: Desk, flow_run_id: str) -> list[dict[str, Any]]:
    parent = {"parent_flow_run_id": {"any_": [flow_run_id]}}
    return await found(desk, "flow_runs", flow_runs=parent)


async def tasks_of(
    desk: Desk, flow_run_id: str, *, at_least: int, state: str = ""
) -> list[dict[str, Any]]:
    """The tasks of a flow run. The server records them, and then their states, a moment after it
    was told."""
    wanted = {"state": {"type": {"any_": [state]}}} if state else {}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            tasks = await found(
                desk, "task_runs", flow_runs={"id": {"any_": [flow_run_id]}}, task_runs=wanted
            )
            if len(tasks) >= at_least and all(task["state"] for task in tasks):
                return tasks
            await asyncio.sleep(0.05)


async def in_prefect(
    desk: Desk, body: Callable[[OrchestratedExecutor], Awaitable[Any]]
) -> tuple[str, Any]:
    """Execute a body in a root flow of its own; the id of its flow run, and what it returned."""
    flow_run_ids: list[str] = []

    @flow(name="root of a test", persist_result=False)
    async def root() -> Any:
        flow_run_ids.append(str(current_flow_run().id))
        return await body(OrchestratedExecutor(flow_run_ids[0]))

    with temporary_settings(updates={PREFECT_API_URL: f"{desk.prefect_url}/api"}):
        executed: Any = prepared(root)
        outcome = await executed()
    return flow_run_ids[0], outcome


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
    tasks = []
    for stage in await subflows(desk, finished):
        tasks += await tasks_of(desk, stage["id"], at_least=1)

    names = {task["name"] for task in tasks}
    assert {"agent kyc", "agent fraud", "agent income", "agent credit_risk.bureau"} <= names
    assert all(name.startswith("agent ") for name in names)
    assert all(task["task_inputs"] == {} for task in tasks)
    assert {(task["state_type"], task["run_count"]) for task in tasks} == {("COMPLETED", 1)}
    assert all(task["start_time"] < task["end_time"] for task in tasks)


async def test_an_agent_that_takes_its_time_is_seen_to_run_and_then_to_have_ended(
    desk: Desk,
) -> None:
    seen: list[str] = []

    async def slow() -> str:
        (task,) = await tasks_of(desk, str(current_flow_run().id), at_least=1)
        seen.append(task["state_type"])
        return "done"

    async def root(executor: OrchestratedExecutor) -> str:
        return await executor.stage("check", 1, lambda: executor.agent("balance", slow))

    flow_run_id, outcome = await in_prefect(desk, root)

    (stage,) = await children(desk, flow_run_id)
    (task,) = await tasks_of(desk, stage["id"], at_least=1, state="COMPLETED")
    assert (outcome, seen) == ("done", ["RUNNING"])
    assert task["run_count"] == 1
    assert timedelta(seconds=task["total_run_time"]) > timedelta(seconds=UNNOTICED_SECONDS)


async def test_an_agent_that_fails_fails_its_task_and_its_stage(desk: Desk) -> None:
    async def broken() -> None:
        raise LookupError("no such record")

    async def root(executor: OrchestratedExecutor) -> None:
        with pytest.raises(LookupError, match="no such record"):
            await executor.stage("check", 1, lambda: executor.agent("balance", broken))

    flow_run_id, _ = await in_prefect(desk, root)

    (stage,) = await children(desk, flow_run_id)
    (task,) = await tasks_of(desk, stage["id"], at_least=1)
    for shown in (stage, task):
        assert shown["state_type"] == "FAILED"
        assert shown["state"]["message"] == "LookupError: no such record"


async def test_a_stage_that_is_stopped_in_its_middle_is_shown_as_crashed(desk: Desk) -> None:
    async def root(executor: OrchestratedExecutor) -> None:
        begun = asyncio.Event()

        async def endless() -> None:
            begun.set()
            await asyncio.sleep(60)

        stage = asyncio.create_task(
            executor.stage("check", 1, lambda: executor.agent("balance", endless))
        )
        await begun.wait()
        stage.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stage

    flow_run_id, _ = await in_prefect(desk, root)

    (stage,) = await children(desk, flow_run_id)
    (task,) = await tasks_of(desk, stage["id"], at_least=1)
    assert (stage["state_type"], task["state_type"]) == ("CRASHED", "CRASHED")


async def test_inline_nothing_of_prefect_is_touched() -> None:
    executor = InlineExecutor()

    async def body() -> str:
        assert FlowRunContext.get() is None
        return "done"

    assert await executor.stage("check", 1, body) == "done"
    assert await executor.agent("balance", body) == "done"
    await executor.publish("memo", "text")
    await executor.tag("gate:manager")
