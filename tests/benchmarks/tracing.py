"""The cost of tracing: the processor time of worker and API per run, with and without it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

from tests.benchmarks.processor import Processes, since, spent
from tests.benchmarks.rows import Row, at_most, ratio
from tests.benchmarks.shared_desk import AS_SHIPPED
from tests.desk import Desk, desk_in
from tests.otlp import receiving

_RUNS_PER_TURN = 3
_TRACING = ("worker", "api")
"""The roles that make spans."""


async def traced(pairs: int = 4) -> AsyncIterator[Row]:
    """Two desks side by side that take turns; one exports every span to a real receiver."""
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving())
        folders = [
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"credit-desk-{name}-")))
            for name in ("traced", "untraced")
        ]
        told = ({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}, {"OTEL_SDK_DISABLED": "true"})
        async with asyncio.TaskGroup() as starting:  # ends the other when one does not start
            started = [
                starting.create_task(
                    stack.enter_async_context(desk_in(folder, **AS_SHIPPED, **variables))
                )
                for folder, variables in zip(folders, told, strict=True)
            ]
        desks = [task.result() for task in started]
        await _both(desks)  # the first runs load what later ones find loaded
        turns = [await _both(desks) for _ in range(pairs)]
        assert receiver.spans, "nothing was exported"
    yield ratio(
        "tracing.processor",
        f"tracing on / off, processor time per run, {pairs} pairs of {_RUNS_PER_TURN}",
        {"on": [on for on, _ in turns], "off": [off for _, off in turns]},
        at_most(1.10),
    )


async def _both(desks: list[Desk]) -> tuple[float, float]:
    """The seconds per run of both desks, each of which has one turn.

    Both are counted over both turns: spans are exported in batches, seconds later.
    """
    processes: list[Processes] = [{role: desk.role(role) for role in _TRACING} for desk in desks]
    before = [spent(roles) for roles in processes]
    for desk in desks:
        for _ in range(_RUNS_PER_TURN):
            await (await desk.start("ada-prime")).events()
    used = [
        sum(since(start, roles).values()) for start, roles in zip(before, processes, strict=True)
    ]
    return used[0] / _RUNS_PER_TURN, used[1] / _RUNS_PER_TURN
