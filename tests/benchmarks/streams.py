"""From the write of an event to the clients that follow: a single one, and a thousand."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.processor import since, spent
from tests.benchmarks.rows import Row, at_most, median_ms
from tests.desk import Desk, StartedRun, clean_environment

_PATIENCE_SECONDS = 300.0


async def one_client(desk: Desk, runs: int = 4) -> AsyncIterator[Row]:
    """A single client, one run after another."""
    lags = []
    for _ in range(runs):
        run = await desk.start("ada-prime")
        connected_at = time.time()
        async for event in run.follow():
            lags.append(time.time() - max(event.ts.timestamp(), connected_at))
    yield median_ms("sse-one.lag", "SSE: emit to client, 1 client", lags, at_most(20))


async def many_clients(desk: Desk, clients: int = 1000, runs: int = 20) -> AsyncIterator[Row]:
    """Many clients on one API process. Each sees every event of its run, in order."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tests.benchmarks.stream_clients"),
        *(str(urlsplit(desk.api_url).port), str(clients)),
        env=clean_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    api = {"api": desk.role("api")}
    before = spent(api)
    started = [await desk.start("ada-prime") for _ in range(runs)]
    run_ids = json.dumps([run.run_id for run in started])
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            output, _ = await process.communicate(run_ids.encode() + b"\n")
    finally:
        if process.returncode is None:
            process.kill()
    used = since(before, api)["api"]
    found = json.loads(output)
    lags, early = found["lags"], found["lags_while_connecting"]
    yield Row(
        name="sse-many.lag",
        what=f"SSE: {clients:,} clients on {runs} runs, p99 of {len(lags):,} events",
        value=_quantile(lags, 0.99),
        unit="s",
        goal=at_most(1.0),
        parts={
            "p50": _quantile(lags, 0.5),
            "longest": _quantile(lags, 1),
            "p99 while connecting": _quantile(early, 0.99),
            "processor time of the API": used,
        },
        part_unit="s",
        fault=await _fault(started, found),
    )


async def _fault(started: list[StartedRun], found: dict[str, Any]) -> str:
    """What the clients missed, in words; empty when each saw the whole journal in its order."""
    if found["errors"]:
        return f"{len(found['errors'])} streams broke: {found['errors'][0]}"
    if not found["lags"]:
        return "all events were written before all clients were connected"
    for run in started:
        whole = [event.id for event in await run.events()]
        if found["seen"][run.run_id] != [whole]:
            return f"clients of run {run.run_id} did not see its {len(whole)} events in order"
    return ""


def _quantile(ordered: list[float], share: float) -> float:
    """The smallest sample that this share of all is not above; 0 when there are none."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0
