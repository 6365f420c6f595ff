"""The desk that most measurements share, with the settings that an operator gets by default.

Its worker executes the root flow with a stopwatch (`timed_flow.py`), which costs a run two lines
in a file. So the desk can also tell how long flow bodies and stages took.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import yaml

from tests.benchmarks.rows import Row
from tests.desk import QUICK, ROOT, Desk, desk_in

AS_SHIPPED = dict.fromkeys(QUICK, "")
"""Takes the quick settings of test desks back: an empty setting means the default."""
_CLOSE_SECONDS = 30.0


class SharedDesk:
    """A desk that starts when it is first asked for. Close it when it would disturb."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._desk: Desk | None = None
        self._stopwatch = Path()
        self.start_seconds = 0.0
        """From the start of `credit-desk up` in an empty folder until all roles are ready."""

    async def get(self) -> Desk:
        if self._desk is None:
            temporary = tempfile.TemporaryDirectory(prefix="credit-desk-bench-")
            folder = Path(self._stack.enter_context(temporary))
            self._stopwatch = folder / "stopwatch"
            self._stopwatch.mkdir()
            told = {
                "CREDIT_DESK_PREFECT_YAML": str(_with_stopwatch(folder)),
                "CREDIT_DESK_TEST_STOPWATCH": str(self._stopwatch),
            }
            began = time.perf_counter()
            desk = desk_in(folder, **AS_SHIPPED, **told)
            self._desk = await self._stack.enter_async_context(desk)
            self.start_seconds = time.perf_counter() - began
        return self._desk

    async def close(self) -> None:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await self._stack.aclose()
        self._desk = None

    def stop_before_decision(self, application_id: str) -> Path:
        """The file that lets a run fail before its decision, as long as it exists."""
        return self._stopwatch / f"stop-{application_id}"

    def last_seconds(self, what: str) -> float:
        """How long the last flow `body`, or the last decision `stage`, took."""
        lines = (self._stopwatch / "times.jsonl").read_text().splitlines()
        seconds: list[float] = [
            line["seconds"] for line in map(json.loads, lines) if line["what"] == what
        ]
        return seconds[-1]


async def start_up(shared: SharedDesk) -> AsyncIterator[Row]:
    """How long a person waits for a new desk."""
    await shared.get()
    yield Row(
        name="start-up.ready",
        what="`credit-desk up` in an empty folder, start to ready",
        value=shared.start_seconds,
        unit="s",
    )


def _with_stopwatch(folder: Path) -> Path:
    """The shipped deployments, with the root flow that carries a stopwatch."""
    plan = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for deployment in plan["deployments"]:
        if deployment["name"] == "underwrite":
            deployment["entrypoint"] = "tests.benchmarks.timed_flow.underwrite"
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump(plan))
    return file
