"""A straight-through run beside a bare Prefect flow of the same shape, in turns on one server."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from data.contracts.events import EventType
from tests.benchmarks.bare_flow import bare_worker
from tests.benchmarks.processor import ROLES, Processes, roles_of, settled, since, spent
from tests.benchmarks.rows import Row, at_most, ratio
from tests.desk import Desk

RUNS_PER_TURN = 4


@dataclass
class Side:
    """One of the two that are compared."""

    run: Callable[[], Awaitable[str]]
    """Executes once, and returns the id of the flow run in Prefect."""
    processes: Processes
    """The processes that work for it."""
    wall: list[float] = field(default_factory=list)
    """Seconds from Running to Completed, as Prefect has recorded them, of each run."""
    spent: list[dict[str, float]] = field(default_factory=list)
    """Seconds of processor time per run and role, of each turn."""

    @property
    def totals(self) -> list[float]:
        return [sum(turn.values()) for turn in self.spent]

    async def take_turn(self, prefect: httpx.AsyncClient) -> None:
        """Execute some runs, and wait until the server has worked them off."""
        before = spent(self.processes)
        flow_run_ids = [await self.run() for _ in range(RUNS_PER_TURN)]
        await settled(self.processes)
        used = since(before, self.processes)
        self.spent.append({role: seconds / RUNS_PER_TURN for role, seconds in used.items()})
        self.wall += [await _seconds_of(prefect, flow_run_id) for flow_run_id in flow_run_ids]


async def straight_through(desk: Desk, turns: int = 5) -> AsyncIterator[Row]:
    """Wall and processor time against the bare flow, and the processor time of each role."""

    async def ours() -> str:
        run = await desk.start("ada-prime")
        assert (await run.events())[-1].type is EventType.RUN_COMPLETED
        return await run.flow_run_id()

    prefect_api = f"{desk.prefect_url}/api"
    roles = roles_of(desk)
    async with httpx.AsyncClient(base_url=prefect_api, timeout=30) as prefect:
        first = await ours()
        await settled(roles)  # the server records task runs late
        shape = await shape_of(prefect, first)
        async with bare_worker(desk, shape) as bare:
            desk_side = Side(ours, roles)
            bare_side = Side(bare.run, {"server": roles["server"], "bare": bare.process})
            for warm_up in (bare.run, ours, bare.run, ours):
                await warm_up()
            await settled(roles)
            for turn in range(turns):
                sides = (desk_side, bare_side) if turn % 2 == 0 else (bare_side, desk_side)
                for side in sides:
                    await side.take_turn(prefect)
    for row in _rows(desk_side, bare_side, shape):
        yield row


def _rows(ours: Side, bare: Side, shape: list[int]) -> list[Row]:
    pairs = f"{len(ours.wall)} pairs"
    per_role = {role: statistics.median(turn[role] for turn in ours.spent) for role in ROLES}
    return [
        ratio(
            "straight-through.wall",
            f"run / bare flow of {len(shape)} subflows, {sum(shape)} tasks, {pairs}",
            {"run": ours.wall, "bare": bare.wall},
            at_most(1.10),
        ),
        ratio(
            "straight-through.processor",
            f"the same, processor time of all roles, {len(ours.spent)} pairs of {RUNS_PER_TURN}",
            {"run": ours.totals, "bare": bare.totals},
            at_most(1.15),
        ),
        Row(
            name="straight-through.roles",
            what="processor time per straight-through run",
            value=statistics.median(ours.totals),
            unit="s",
            parts=per_role,
            part_unit="s",
        ),
    ]


async def shape_of(prefect: httpx.AsyncClient, flow_run_id: str) -> list[int]:
    """The number of tasks in each subflow of a flow run, in the order of the subflows."""
    children = {"flow_runs": {"parent_flow_run_id": {"any_": [flow_run_id]}}}
    subflows = await _post(prefect, "/flow_runs/filter", children)
    assert subflows, "a run of the desk has subflows"
    ids = [found["id"] for found in sorted(subflows, key=lambda found: str(found["start_time"]))]
    return [
        await _post(prefect, "/task_runs/count", {"task_runs": {"flow_run_id": {"any_": [id]}}})
        for id in ids
    ]


async def _seconds_of(prefect: httpx.AsyncClient, flow_run_id: str) -> float:
    found = (await prefect.get(f"/flow_runs/{flow_run_id}")).raise_for_status().json()
    began, ended = (datetime.fromisoformat(found[name]) for name in ("start_time", "end_time"))
    return (ended - began).total_seconds()


async def _post(prefect: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    return (await prefect.post(path, json=body)).raise_for_status().json()
