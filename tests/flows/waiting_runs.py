"""Runs that wait at a gate of a real desk: how to get one, and what an answer could change."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from data.contracts.events import EventType
from tests.desk import PATIENCE_SECONDS, Desk, StartedRun

OVERRIDE = "compensating_income"


async def at_gate(desk: Desk, persona: str, **options: Any) -> StartedRun:
    """A run that waits at its first gate."""
    run = await desk.start(persona, **options)
    await run.until(EventType.WAITING)
    return run


async def everything(run: StartedRun) -> tuple[Any, ...]:
    """Everything about a waiting run that an answer could change."""
    state = (await run.desk.http.get(f"{run.url}/state")).json()
    request = (await run.desk.http.get(f"{run.url}/hitl")).json()
    summary = await run.summary()
    return state, request, summary.status, summary.progress, summary.updated_at


async def at_rest(run: StartedRun) -> tuple[Any, ...]:
    """The same, once the run is asleep in Prefect."""
    before = None
    while (now := await everything(run)) != before:
        before = now
        await asyncio.sleep(0.5)
    return now


async def typed_into_prefect(
    prefect_url: str, flow_run_id: str, *, seconds: float = PATIENCE_SECONDS, **fields: Any
) -> None:
    """Submit the form that the Prefect UI draws, as soon as the run is asleep."""
    form = {"reviewer": "somebody", "reason": "seen and considered"} | fields
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(base_url=f"{prefect_url}/api") as prefect,
    ):
        while True:
            answer = await prefect.post(
                f"/flow_runs/{flow_run_id}/resume", json={"run_input": form}
            )
            if answer.status_code == 201 and answer.json()["status"] == "ACCEPT":
                return
            await asyncio.sleep(0.2)
