"""A batch on the desk, beside a plain loop over the same functions with the same ledger writes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.rows import Row, at_least, at_most
from tests.desk import ROOT, Desk
from tools.modelling.synthesize import APPLICATIONS, Recipe, synthesize

_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 1800.0
_SEED = 7


@dataclass
class Watched:
    """Processor time and memory of the processes of a desk, as they are seen while they live.

    A process that has ended says no more what it used: the last look counts.
    """

    desk: Desk
    before: dict[int, float] = field(default_factory=dict)
    used: dict[int, float] = field(default_factory=dict)
    driver_bytes: int = 0

    def look(self) -> None:
        is_first = not self.before
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                spent = times.user + times.system
                first = spent if is_first else 0.0  # what came later began with the batch
                self.used[process.pid] = spent - self.before.setdefault(process.pid, first)
                if "job_process" in " ".join(process.cmdline()):
                    self.driver_bytes = max(self.driver_bytes, process.memory_info().rss)

    def _processes(self) -> Iterator[Any]:
        for role in ("server", "worker", "api"):
            process = self.desk.role(role)
            yield process
            with suppress(psutil.Error):
                yield from process.children(recursive=True)


async def batch_path(desk: Desk, rows: int) -> AsyncIterator[Row]:
    """Rate, memory of the driver, and the share of the processor time that underwriting has."""
    with tempfile.TemporaryDirectory(prefix="credit-desk-bench-") as folder:
        synthesize(Path(folder), Recipe(rows, seed=_SEED))
        path = Path(folder) / APPLICATIONS
        plain = await _plain_loop(path)
        watched = Watched(desk)
        batch = await _underwritten(desk, path, watched)
        again = await _decided_again(desk, batch["batch_id"], path)
    fault = "" if batch["totals"]["rows"] == rows else f"{batch['status']}: not all rows are done"
    yield Row(
        name="batch.rate",
        what=f"{rows:,} applications as a batch, from the first chunk to the last",
        value=batch["rows_per_second"],
        unit="applications/s",
        goal=at_least(300),
        fault=fault,
    )
    engine = sum(watched.used.values()) * 1000 / rows
    yield Row(
        name="batch.ratio",
        what="processor time per application: a plain loop with the same writes / the whole desk",
        value=plain["with ledger"] / engine,
        goal=at_least(0.6),
        parts={**plain, "batch, all processes": engine},
        part_unit="ms",
    )
    yield Row(
        name="batch.driver",
        what="memory of the driver",
        value=watched.driver_bytes / 2**20,
        unit="MB",
        goal=at_most(300),
    )
    yield Row(
        name="batch.what_if",
        what="10,000 of these rows decided again by another policy, from the time of all",
        value=again * 10_000 / rows,
        unit="s",
        goal=at_most(60),
    )


async def _plain_loop(path: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="credit-desk-bench-") as home:
        loop = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.plain_loop", str(path)),
            cwd=ROOT,
            env=os.environ | {"CREDIT_DESK_HOME": home},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await loop.communicate()
    figures: dict[str, float] = json.loads(printed)
    return figures


async def _decided_again(desk: Desk, batch_id: str, path: Path) -> float:
    """The seconds that a what-if over all rows of a batch takes."""
    what_if = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "what-if", "--home", str(desk.home), "--json"),
        *("--batch", batch_id, "--portfolio", str(path), "--set", "policy=personal-loan"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await what_if.communicate()
    report: dict[str, Any] = json.loads(printed)
    return float(report["seconds"])


async def _underwritten(desk: Desk, path: Path, watched: Watched) -> dict[str, Any]:
    """The batch when every row is done. A desk that knows the file gives its earlier figures."""
    watched.look()
    content = await asyncio.to_thread(path.read_bytes)
    answer = await desk.http.post("/batches", files={"file": (path.name, content)}, timeout=300)
    batch: dict[str, Any] = answer.raise_for_status().json()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while batch["status"] in {"queued", "running"}:
            await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.to_thread(watched.look)
            batch = (await desk.http.get(f"/batches/{batch['batch_id']}")).json()
    return batch
