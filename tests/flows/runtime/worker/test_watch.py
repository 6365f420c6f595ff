"""When a worker looks for due runs: when told, a few times more, and then from time to time."""

from __future__ import annotations

import asyncio

import pytest

from flows.runtime.worker import watch as module
from flows.runtime.worker.watch import Watch


async def moments(watch: Watch, seconds: float) -> int:
    """How often one would look in the next seconds."""
    count = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                await watch.moment()
                count += 1
    except TimeoutError:
        return count


async def test_without_a_signal_the_next_look_is_a_while_away() -> None:
    assert await moments(Watch(), 0.1) == 0


async def test_the_clock_says_to_look_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAST_PAUSE", 0.01)
    monkeypatch.setattr(module, "TIMED_LOOK_SECONDS", 0.05)

    watch = Watch()
    async with asyncio.timeout(5):
        for _ in range(3):
            await watch.moment()


async def test_one_look_is_one_look() -> None:
    watch = Watch()
    watch.look()

    assert await moments(watch, 0.2) == 1


async def test_in_a_hurry_the_looks_come_at_growing_distances() -> None:
    watch = Watch()
    watch.hurry()
    await watch.moment()
    pauses = []
    for _ in range(3):
        await watch.moment()
        pauses.append(watch._pause)

    assert pauses == [0.06, 0.12, 0.24]


async def test_what_was_found_ends_the_hurry() -> None:
    watch = Watch()
    watch.hurry()
    await watch.moment()
    watch.found()

    assert await moments(watch, 0.2) == 0


async def test_a_signal_that_comes_while_one_looks_is_a_further_look() -> None:
    watch = Watch()
    watch.hurry()
    await watch.moment()
    watch.hurry()  # as one looks
    watch.found()

    assert await moments(watch, 0.2) == 1
