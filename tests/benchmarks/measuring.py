"""Takes measurements one after another, and shows how far it has come."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.catalogue import Measurement
from tests.benchmarks.report import Report
from tests.benchmarks.rows import failed
from tests.benchmarks.shared_desk import SharedDesk


async def measure(chosen: Sequence[Measurement], report: Report, console: Console) -> None:
    """Take the measurements one after another. One that fails is a row that misses."""
    shared = SharedDesk()
    expected = sum(measurement.seconds for measurement in chosen)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    is_file = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_file) as progress:
        progress.add_task("", total=expected)
        try:
            for measurement in chosen:
                async with _advancing(progress, measurement):
                    await _take(measurement, shared, report)
        finally:
            await shared.close()


async def _take(measurement: Measurement, shared: SharedDesk, report: Report) -> None:
    began = time.perf_counter()
    try:
        async for row in measurement.rows(shared):
            seconds = round(time.perf_counter() - began, 2)
            report.add(row.model_copy(update={"seconds": seconds}))
            began = time.perf_counter()
    except Exception as error:
        traceback.print_exc()
        report.add(failed(measurement.name, error))


@asynccontextmanager
async def _advancing(progress: Progress, measurement: Measurement) -> AsyncIterator[None]:
    """Move the bar on by the seconds that a measurement is expected to take."""
    task = progress.tasks[0]
    before = task.completed
    progress.update(task.id, description=measurement.name)

    async def advance() -> None:
        began = time.perf_counter()
        while (elapsed := time.perf_counter() - began) < measurement.seconds:
            progress.update(task.id, completed=before + elapsed)
            await asyncio.sleep(0.5)

    advancing = asyncio.create_task(advance())
    try:
        yield
    finally:
        advancing.cancel()
        progress.update(task.id, completed=before + measurement.seconds)
