"""How long a person's answer takes to be felt: from the accepted answer to the next event.

`python -m tests.benchmarks.answer_latency` measures it on a desk of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console

import tests.conftest  # noqa: F401 - this process's own environment, before Prefect is imported
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk, desk_in

PERSON_SECONDS = 0.5
"""Nobody answers faster: the run has fallen asleep by then."""


async def answer_latencies(desk: Desk, answers: int = 20) -> list[float]:
    """Seconds from the 202 in the client's hands to the first event after the gate in them."""
    found = []
    for _ in range(answers):
        run = await desk.start("bora-borderline")
        waiting = await run.until(EventType.WAITING)
        await run.until(RunStatus.WAITING)
        await asyncio.sleep(PERSON_SECONDS)
        answer = await run.answer(decision="approve", gate="underwriter")
        accepted = time.perf_counter()
        assert answer.status_code == 202, answer.text
        async for _event in run.follow(waiting.id):
            found.append(time.perf_counter() - accepted)
            break
        await run.until(RunStatus.COMPLETED)
    return found


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="credit-desk-bench-") as folder:
        async with desk_in(Path(folder)) as desk:
            found = await answer_latencies(desk)
    milliseconds = [one * 1000 for one in found]
    Console().print(
        f"answer to first event after the gate, {len(found)} answers:"
        f" median {statistics.median(milliseconds):.0f} ms, longest {max(milliseconds):.0f} ms"
    )


if __name__ == "__main__":
    asyncio.run(main())
