"""How soon the desk reacts: to an application, and to an answer at a gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.benchmarks.rows import Row, at_most, median_ms
from tests.desk import Desk, StartedRun

GOAL = at_most(250)
_ASLEEP_SECONDS = 0.3
"""The time that the run gets to fall asleep. People are slower than that."""


async def latency(desk: Desk, runs: int = 8) -> AsyncIterator[Row]:
    """From the client's POST to the first stage event, and from an answer to the next event."""
    first, after_gate = [], []
    for _ in range(runs + 1):
        began = time.perf_counter()
        run = await desk.start("bora-borderline")
        await run.until(EventType.STAGE_STARTED)
        first.append(time.perf_counter() - began)
        await run.until(RunStatus.WAITING)
        waiting = await run.until(EventType.WAITING)
        after_gate.append(await _answered(run, waiting.id))
        await run.events()
    yield median_ms("latency.start", "POST /runs to first stage event", first[1:], GOAL)
    yield median_ms("latency.answer", "answer to first event after the gate", after_gate[1:], GOAL)


async def _answered(run: StartedRun, waiting_id: int) -> float:
    """The seconds from an answer until a client that follows the run sees the next event."""

    async def next_event() -> float:
        async with aclosing(run.follow(waiting_id)) as stream:
            await anext(aiter(stream))
        return time.perf_counter()

    follower = asyncio.create_task(next_event())
    await asyncio.sleep(_ASLEEP_SECONDS)
    began = time.perf_counter()
    answer = await run.answer(gate="underwriter", decision="approve")
    assert answer.status_code == 202, answer.text
    return await follower - began
