"""How long the command line needs to say what it can do."""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator

from tests.benchmarks.rows import Row, at_most, quartiles
from tests.desk import clean_environment


async def command_line(samples: int = 5) -> AsyncIterator[Row]:
    """`credit-desk --help`, each time in a new process."""
    await _help_seconds()
    before = _processor_seconds()
    took = [await _help_seconds() for _ in range(samples)]
    processor = (_processor_seconds() - before) / samples
    yield Row(
        name="help.seconds",
        what=f"`credit-desk --help`, median of {samples}",
        value=statistics.median(took),
        unit="s",
        goal=at_most(0.5),
        spread=quartiles(took),
        parts={"processor": processor},
        part_unit="s",
    )


async def _help_seconds() -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api.cli", "--help"),
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert b"underwrit" in output.lower(), "the help does not say what the desk does"
    return time.perf_counter() - began


def _processor_seconds() -> float:
    """What the child processes that have ended used of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
