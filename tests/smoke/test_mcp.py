"""Smoke: a language model's tools on a real desk, over HTTP and over stdio."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import ROOT, Desk

Connect = Callable[[Desk], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def over_http(desk: Desk) -> AsyncIterator[Client]:
    async with Client(f"{desk.api_url}/mcp") as client:
        yield client


@asynccontextmanager
async def over_stdio(desk: Desk, *options: str) -> AsyncIterator[Client]:
    """A client that starts `credit-desk mcp`, which finds the desk by its folder."""
    command = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "api.cli", "mcp", *(options or ("--home", str(desk.home)))],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        cwd=desk.home,
    )
    async with Client(command) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    found: dict[str, Any] = answer.structured_content
    return found


@pytest.mark.parametrize("connect", [over_http, over_stdio])
async def test_a_model_reads_a_case_that_waits_as_the_routes_show_it(
    desk: Desk, connect: Connect
) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    await run.until(RunStatus.WAITING)

    async with connect(desk) as client:
        found = await call(client, "read_run", run_id=run.run_id)
        listed = await call(client, "list_runs", application_id=run.application_id)
        waiting = await call(client, "read_inbox", role="underwriter", limit=200)
        explained = await call(client, "explain_rule", run_id=run.run_id)
        drawn = await call(client, "read_graph", run_id=run.run_id)
        undecided = await client.call_tool("read_decision", {"run_id": run.run_id})

    assert found == (await desk.http.get(run.url)).json()
    assert [item["run_id"] for item in listed["items"]] == [run.run_id]
    assert run.run_id in [item["run_id"] for item in waiting["items"]]
    assert explained["recommendation"] == "refer"
    assert {rule["status"] for rule in explained["rules"]} == {"hit"}
    assert "refer" in {rule["outcome"] for rule in explained["rules"]}
    for rule in explained["rules"]:
        assert all(fact in rule["condition"] for fact in rule["inputs"])
        assert rule["label"]
    statuses = {node["id"]: node["status"] for node in drawn["nodes"]}
    assert (statuses["policy"], statuses["underwriter"]) == ("done", "waiting")
    assert undecided.is_error
    whole = (await desk.http.get(f"{run.url}/policy")).json()
    results = (await desk.http.get(f"{run.url}/state")).json()["state"]["policy"]["results"]
    assert len(whole["rules"]) == len(results)
    for rule, result in zip(whole["rules"], results, strict=True):
        assert rule.items() >= result.items()


@pytest.mark.parametrize("connect", [over_http, over_stdio])
async def test_a_model_reads_a_decision_as_the_route_shows_it(desk: Desk, connect: Connect) -> None:
    run = await desk.start("ada-prime")
    await run.events()

    async with connect(desk) as client:
        decision = await call(client, "read_decision", run_id=run.run_id)

    assert decision["content"]["outcome"] == "approve"
    assert decision == (await desk.http.get(f"{run.url}/decision")).json()


async def test_the_command_serves_before_its_desk_is_up(desk: Desk, tmp_path: Path) -> None:
    async with over_stdio(desk, "--home", str(tmp_path)) as client:
        answer = await client.call_tool("list_runs", {})

    assert answer.is_error
    assert "no desk runs on" in str(answer.content)
