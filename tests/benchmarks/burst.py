"""Many applications at once, and the half minute after them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from data.contracts.events import EventType
from tests.benchmarks.at_rest import share_of
from tests.benchmarks.rows import Row, at_least, at_most
from tests.desk import Desk, StartedRun

AFTERWARDS_SECONDS = 30.0
_PATIENCE_SECONDS = 300.0


async def burst(desk: Desk, runs: int = 20) -> AsyncIterator[Row]:
    """Every run completes; the desk is quiet soon; its Prefect server has refused nothing."""
    began = time.perf_counter()
    started = await asyncio.gather(*(desk.start("ada-prime") for _ in range(runs)))
    completed = sum(await asyncio.gather(*(_completes(run) for run in started)))
    seconds = time.perf_counter() - began
    yield Row(
        name="burst.throughput",
        what=f"{runs} runs in one burst",
        value=runs / seconds * 60,
        unit="runs/min",
        goal=at_least(60),
        fault="" if completed == runs else f"{runs - completed} of {runs} did not complete",
    )
    yield await share_of(
        desk,
        "burst.afterwards",
        "half a minute after the burst, part of one core",
        AFTERWARDS_SECONDS,
        at_most(5),
    )
    yield Row(
        name="burst.refused",
        what="answers 503 in server.log so far",
        value=desk.log("server").count(" 503 "),
        goal=at_most(0),
    )


async def _completes(run: StartedRun) -> bool:
    events = await run.events(seconds=_PATIENCE_SECONDS)
    return events[-1].type is EventType.RUN_COMPLETED
