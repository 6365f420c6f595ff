"""All measurements, in the order in which they are taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from tests.benchmarks.at_rest import idle, memory
from tests.benchmarks.at_size import at_size
from tests.benchmarks.batch_path import batch_path
from tests.benchmarks.burst import burst
from tests.benchmarks.command_line import command_line
from tests.benchmarks.disk import disk
from tests.benchmarks.inline_path import inline
from tests.benchmarks.latency import latency
from tests.benchmarks.long_list import long_list
from tests.benchmarks.page_speed import page_speed
from tests.benchmarks.resume_ratio import resumed
from tests.benchmarks.rows import Row
from tests.benchmarks.shared_desk import SharedDesk, start_up
from tests.benchmarks.straight_through import straight_through
from tests.benchmarks.streams import many_clients, one_client
from tests.benchmarks.tracing import traced


@dataclass(frozen=True)
class Measurement:
    """Something to measure, under the name that `--only` takes."""

    name: str
    seconds: float
    """How long it takes on two quiet cores. The progress bar goes by it."""
    rows: Callable[[SharedDesk], AsyncIterator[Row]]


def measurements(scale: int) -> list[Measurement]:
    """The measurements that need no desk, those on one desk, and those on desks of their own."""
    return [
        Measurement("help", 5, lambda _: command_line()),
        Measurement("inline", 10, lambda _: inline()),
        Measurement("long-list", 12, lambda _: long_list()),
        Measurement("at-size", 10 * scale, lambda _: at_size(10_000 * scale, 500 * scale)),
        Measurement("start-up", 20, start_up),
        Measurement("idle", 25, _on_desk(idle)),
        Measurement("straight-through", 70 * scale, _on_desk(straight_through, 5 * scale)),
        Measurement("latency", 20, _on_desk(latency)),
        Measurement("sse-one", 8, _on_desk(one_client)),
        Measurement("page", 15, _on_desk(page_speed)),
        Measurement("burst", 55 + 25 * scale, _on_desk(burst, 20 * scale)),
        Measurement("sse-many", 30, _on_desk(many_clients)),
        Measurement("memory", 1, _on_desk(memory)),
        Measurement("disk", 2, _on_desk(disk)),
        Measurement("batch", 60 * scale, _on_desk(batch_path, 2_500 * scale)),
        Measurement("resume", 30, resumed),
        Measurement("tracing", 55, _alone(traced)),
    ]


def _on_desk(
    measure: Callable[..., AsyncIterator[Row]], *sizes: int
) -> Callable[[SharedDesk], AsyncIterator[Row]]:
    async def rows(shared: SharedDesk) -> AsyncIterator[Row]:
        async for row in measure(await shared.get(), *sizes):
            yield row

    return rows


def _alone(measure: Callable[[], AsyncIterator[Row]]) -> Callable[[SharedDesk], AsyncIterator[Row]]:
    """Close the shared desk first: it would disturb."""

    async def rows(shared: SharedDesk) -> AsyncIterator[Row]:
        await shared.close()
        async for row in measure():
            yield row

    return rows
