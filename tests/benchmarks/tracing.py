"""The cost of tracing: the processor time of worker and API per run, with and without it."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from data.contracts.runs import RunStatus
from tests.benchmarks.measure import Row
from tests.desk import Desk, desk_in
from tests.otlp import receiving

GOAL = 1.20
_ROUND = 5
"""Runs per round: the two desks take turns, so that both see the same machine."""


async def traced(rounds: int = 6) -> Row:
    """The row: two desks side by side, one exports every span to a real receiver."""
    with (
        tempfile.TemporaryDirectory(prefix="credit-desk-traced-") as traced_folder,
        tempfile.TemporaryDirectory(prefix="credit-desk-untraced-") as untraced_folder,
        receiving() as receiver,
    ):
        async with (
            desk_in(Path(traced_folder), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as with_spans,
            desk_in(Path(untraced_folder), OTEL_SDK_DISABLED="true") as without,
        ):
            for desk in (with_spans, without):
                await _cpu_per_run(desk)  # the first runs load what later ones find loaded
            pairs = [
                (await _cpu_per_run(with_spans), await _cpu_per_run(without)) for _ in range(rounds)
            ]
        assert receiver.spans, "nothing was exported"
    on, off = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(with_it / without_it for with_it, without_it in pairs)
    return Row(
        f"tracing on / off, processor time per run, {rounds * _ROUND} runs each",
        f"{ratio:.2f} ({on * 1000:.0f} / {off * 1000:.0f} ms)",
        f"<= {GOAL:.2f}",
        ratio <= GOAL,
    )


async def _cpu_per_run(desk: Desk) -> float:
    """Seconds of worker and API together, for one straight-through run on average."""
    before = _cpu(desk)
    for _ in range(_ROUND):
        await (await desk.start("ada-prime")).until(RunStatus.COMPLETED)
    return (_cpu(desk) - before) / _ROUND


def _cpu(desk: Desk) -> float:
    times = [desk.role(name).cpu_times() for name in ("worker", "api")]
    seconds: float = sum(spent.user + spent.system for spent in times)
    return seconds
