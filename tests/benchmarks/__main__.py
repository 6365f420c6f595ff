"""`make bench`: the numbers to hold, as ratios measured in one run on this machine."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import tests.conftest  # noqa: F401 - this process's own environment, before Prefect is imported
from tests.benchmarks import measure
from tests.benchmarks.at_size import at_size
from tests.benchmarks.measure import Row
from tests.benchmarks.resume_ratio import resumed
from tests.benchmarks.tracing import traced
from tests.desk import desk_in


async def rows(scale: int) -> AsyncIterator[Row]:
    """All rows, in the order in which one would ask for them."""
    with tempfile.TemporaryDirectory(prefix="credit-desk-bench-") as folder:
        async with desk_in(Path(folder)) as desk:
            for row in await measure.straight_through(desk, 20 * scale):
                yield row
            for row in await measure.latency(desk, 20):
                yield row
            for row in await measure.burst(desk, 20 * scale):
                yield row
            for row in await measure.streams(desk, 100 * scale):
                yield row
            for row in await measure.disk(desk):
                yield row
    for row in await at_size(ended=10_000 * scale, waiting=500 * scale):
        yield row
    yield await resumed()
    yield await traced()


async def main(scale: int) -> bool:
    """Measure everything on desks of its own and print it; whether all goals are met."""
    console = Console()
    table = Table("what", "measured", "goal", "", title="Numbers to hold")
    held = True
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Measuring", total=None)
        async for row in rows(scale):
            progress.update(task, description=f"Measured: {row.what}")
            mark = {True: "[green]holds", False: "[red]missed", None: ""}[row.holds]
            table.add_row(row.what, row.measured, row.goal, mark)
            held = held and row.holds is not False
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    table.caption = f"{os.cpu_count()} cores, load {load}"
    console.print(table)
    return held


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten times as many runs and clients")
    arguments = parser.parse_args()
    sys.exit(0 if asyncio.run(main(10 if arguments.full else 1)) else 1)
