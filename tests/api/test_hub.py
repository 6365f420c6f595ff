"""The hub: the frames of followers, the end of streams, and how seldom it reads the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from api.hub import Hub
from api.problems import MalformedRequestError
from data.contracts.errors import RecordNotFoundError, UnavailableError
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import journal
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import runs
from tests.api.desks import RUN_ID, FakeDesk
from tests.api.journals import a_run, ids_in, tell

OTHER_RUN = "1f0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d"
STEP, DONE = EventType.PROGRESS, EventType.RUN_COMPLETED


@pytest.fixture
async def hub(desk: FakeDesk) -> AsyncIterator[Hub]:
    """A hub that looks by itself so seldom that only wake-ups count."""
    async with Hub(desk, look_seconds=60) as opened:
        yield opened


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The `after` of every reading of a journal."""
    seen: list[int] = []
    read = journal.read

    def counted(connection: sa.Connection, run_id: str, *, after: int, limit: int) -> list[str]:
        seen.append(after)
        return read(connection, run_id, after=after, limit=limit)

    monkeypatch.setattr(journal, "read", counted)
    return seen


async def all_ids(hub: Hub, after: int = 0, run_id: str = RUN_ID) -> list[int]:
    return [number async for frames in hub.follow(run_id, after) for number in ids_in(frames)]


def has_grown(reads: list[int], size: int) -> bool:
    return len(reads) > size


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about within five seconds")


async def test_a_follower_gets_what_there_is_and_then_what_happens(
    desk: FakeDesk, ledger: Ledger, hub: Hub
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, STEP, STEP)
    stream = hub.follow(RUN_ID)

    assert ids_in(await anext(stream)) == [1, 2]

    await tell(ledger, RUN_ID, STEP)
    desk.woken.put_nowait(RUN_ID)

    assert ids_in(await asyncio.wait_for(anext(stream), 5)) == [3]
    await stream.aclose()


@pytest.mark.parametrize(("after", "expected"), [(0, [1, 2, 3]), (1, [2, 3]), (2, [3]), (3, [])])
async def test_a_follower_goes_on_after_its_last_event(
    ledger: Ledger, hub: Hub, after: int, expected: list[int]
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, STEP, STEP, DONE, status=RunStatus.COMPLETED)

    assert await all_ids(hub, after) == expected


async def test_a_journal_longer_than_a_page_comes_whole_and_in_order(
    ledger: Ledger, hub: Hub
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, *[STEP] * 1200, DONE, status=RunStatus.COMPLETED)

    assert await all_ids(hub) == list(range(1, 1202))


@pytest.mark.parametrize("kind", ["RUN_COMPLETED", "RUN_FAILED", "RUN_CANCELLED"])
async def test_a_stream_ends_after_a_terminal_event_that_is_the_last(
    ledger: Ledger, hub: Hub, kind: str
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, STEP, EventType[kind])

    async with asyncio.timeout(5):
        assert await all_ids(hub) == [1, 2]


async def test_a_stream_goes_on_past_a_terminal_event_of_a_run_that_was_resumed(
    ledger: Ledger, hub: Hub
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_FAILED, EventType.RUN_RESUMED)
    await tell(ledger, RUN_ID, DONE, status=RunStatus.COMPLETED)

    assert await all_ids(hub) == [1, 2, 3]


async def test_a_stream_ends_with_a_run_that_ended_without_a_word(ledger: Ledger, hub: Hub) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, STEP, status=RunStatus.CANCELLED)

    async with asyncio.timeout(5):
        assert await all_ids(hub) == [1]


async def test_an_end_without_an_event_is_noticed_by_those_who_follow_already(
    desk: FakeDesk, ledger: Ledger
) -> None:
    await a_run(ledger)
    async with Hub(desk, look_seconds=0.01) as hub:
        following = asyncio.create_task(all_ids(hub))
        await until(lambda: RUN_ID in hub.followed)
        await asyncio.sleep(0.05)
        await tell(ledger, RUN_ID, status=RunStatus.FAILED)

        assert await asyncio.wait_for(following, 5) == []


async def test_an_error_or_a_wait_does_not_end_a_stream(
    desk: FakeDesk, ledger: Ledger, hub: Hub
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.ERROR, EventType.WAITING, status=RunStatus.WAITING)
    stream = hub.follow(RUN_ID)
    assert ids_in(await anext(stream)) == [1, 2]

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.1)


async def test_a_lost_wake_up_delays_an_event_and_does_not_lose_it(
    desk: FakeDesk, ledger: Ledger
) -> None:
    await a_run(ledger)
    async with Hub(desk, look_seconds=0.05) as hub:
        following = asyncio.create_task(all_ids(hub))
        await until(lambda: RUN_ID in hub.followed)
        await asyncio.sleep(0.02)
        await tell(ledger, RUN_ID, STEP)
        await tell(ledger, RUN_ID, DONE, status=RunStatus.COMPLETED)

        assert await asyncio.wait_for(following, 5) == [1, 2]


async def test_followers_of_one_run_share_its_readings(
    desk: FakeDesk, ledger: Ledger, hub: Hub, reads: list[int]
) -> None:
    await a_run(ledger)
    followers = [asyncio.create_task(all_ids(hub)) for _ in range(200)]
    await until(lambda: len(reads) == 1)

    for _ in range(3):
        before = len(reads)
        await tell(ledger, RUN_ID, STEP)
        desk.woken.put_nowait(RUN_ID)
        await until(partial(has_grown, reads, before))
    await tell(ledger, RUN_ID, DONE, status=RunStatus.COMPLETED)
    desk.woken.put_nowait(RUN_ID)

    seen = await asyncio.wait_for(asyncio.gather(*followers), 10)
    assert seen == [[1, 2, 3, 4]] * 200
    assert reads == [0, 0, 1, 2, 3]


async def test_one_query_a_second_covers_all_followed_runs(
    desk: FakeDesk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    heads = journal.heads

    def counted(connection: sa.Connection, run_ids: Any) -> dict[str, int]:
        asked.append(set(run_ids))
        return heads(connection, run_ids)

    monkeypatch.setattr(journal, "heads", counted)
    for run_id in (RUN_ID, OTHER_RUN):
        await a_run(ledger, run_id)
    async with Hub(desk, look_seconds=0.05) as hub:
        tasks = [asyncio.create_task(all_ids(hub, run_id=run_id)) for run_id in (RUN_ID, OTHER_RUN)]
        await until(lambda: len(asked) >= 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert asked[:3] == [{RUN_ID, OTHER_RUN}] * 3


async def test_nothing_is_kept_of_a_run_without_followers(
    ledger: Ledger, hub: Hub, reads: list[int]
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, STEP)
    streams = [hub.follow(RUN_ID), hub.follow(RUN_ID)]
    for stream in streams:
        await anext(stream)
    assert hub.followed == {RUN_ID}

    await streams[0].aclose()
    assert hub.followed == {RUN_ID}
    await streams[1].aclose()
    assert hub.followed == frozenset()


async def test_a_wake_up_for_a_run_without_followers_reads_nothing(
    desk: FakeDesk, ledger: Ledger, hub: Hub, reads: list[int]
) -> None:
    await a_run(ledger)
    desk.woken.put_nowait(RUN_ID)
    await until(desk.woken.empty)
    await asyncio.sleep(0.02)

    assert reads == []


async def test_streams_outlive_a_ledger_that_is_out_of_reach(
    desk: FakeDesk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, DONE, status=RunStatus.COMPLETED)
    failures = [UnavailableError("the ledger did not answer")] * 3
    read = journal.read

    def failing(connection: sa.Connection, run_id: str, *, after: int, limit: int) -> list[str]:
        if failures:
            raise failures.pop()
        return read(connection, run_id, after=after, limit=limit)

    monkeypatch.setattr(journal, "read", failing)
    async with Hub(desk, look_seconds=0.01) as hub:
        assert await asyncio.wait_for(all_ids(hub), 5) == [1]
    assert failures == []


async def test_the_hub_outlives_an_event_stream_that_breaks(ledger: Ledger) -> None:
    class BreakingDesk(FakeDesk):
        breaks = 0

        async def wakeups(self) -> AsyncIterator[str]:
            self.breaks += 1
            if self.breaks < 3:
                raise OSError("gone")
            yield await self.woken.get()

    desk = BreakingDesk(ledger)
    await a_run(ledger)
    async with Hub(desk, look_seconds=0.02) as hub:
        following = asyncio.create_task(all_ids(hub))
        await until(lambda: desk.breaks == 3)
        await tell(ledger, RUN_ID, DONE, status=RunStatus.COMPLETED)
        desk.woken.put_nowait(RUN_ID)

        assert await asyncio.wait_for(following, 5) == [1]


async def test_all_streams_end_when_the_server_stops(hub: Hub, ledger: Ledger) -> None:
    await a_run(ledger)
    async with asyncio.timeout(20):
        followers = [asyncio.create_task(all_ids(hub)) for _ in range(2)]
        await until(lambda: hub.clients == 2)
        hub.disconnect_all()
        await asyncio.gather(*followers)

    assert hub.clients == 0


async def test_a_follower_without_authorization_is_disconnected_and_others_stay(
    desk: FakeDesk, ledger: Ledger
) -> None:
    await a_run(ledger)
    revoked: list[bool] = []
    async with Hub(desk, look_seconds=0.02) as hub:
        staying = hub.follow(RUN_ID)
        leaving = hub.follow(RUN_ID, still_authorized=lambda: not revoked)
        await tell(ledger, RUN_ID, STEP)
        assert ids_in(await anext(staying)) == ids_in(await anext(leaving)) == [1]

        revoked.append(True)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(leaving), 5)
        await tell(ledger, RUN_ID, STEP)

        assert ids_in(await asyncio.wait_for(anext(staying), 5)) == [2]
        await staying.aclose()


async def test_a_run_that_is_purged_ends_its_streams(desk: FakeDesk, ledger: Ledger) -> None:
    await a_run(ledger)
    async with Hub(desk, look_seconds=0.01) as hub:
        following = asyncio.create_task(all_ids(hub))
        await until(lambda: RUN_ID in hub.followed)
        await ledger.write(lambda connection: connection.execute(runs.delete()))

        assert await asyncio.wait_for(following, 5) == []


async def test_only_an_ended_run_has_nothing_after_its_last_event(ledger: Ledger, hub: Hub) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, STEP)
    assert not await hub.has_nothing_after(RUN_ID, 1)

    await tell(ledger, RUN_ID, DONE, status=RunStatus.COMPLETED)
    assert await hub.has_nothing_after(RUN_ID, 2)
    assert not await hub.has_nothing_after(RUN_ID, 1)
    with pytest.raises(MalformedRequestError, match="the last event of this run has the id 2"):
        await hub.has_nothing_after(RUN_ID, 3)
    with pytest.raises(RecordNotFoundError):
        await hub.has_nothing_after(OTHER_RUN, 0)
