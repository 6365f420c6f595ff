"""Open inboxes hear of every change, by one reader that rests when no inbox is open."""

from __future__ import annotations

import asyncio
import json

import pytest

from api.inbox_watch import InboxWatch
from flows.runtime.ledger import reviews
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID
from tests.api.journals import a_run
from tests.flows.runtime.ledger.test_reviews import asked


@pytest.fixture
async def watch(ledger: Ledger) -> InboxWatch:
    await a_run(ledger)
    return InboxWatch(ledger, look_seconds=0.02)


def told(frame: bytes) -> tuple[int, str]:
    name, data, *_ = frame.decode().split("\n")
    assert name == "event: inbox"
    change = json.loads(data.removeprefix("data: "))
    return change["open"], change["state"]


async def test_every_client_hears_a_request_come_change_hands_and_go(
    watch: InboxWatch, ledger: Ledger
) -> None:
    first, second = watch.follow(lambda: True), watch.follow(lambda: True)
    async with asyncio.timeout(20):
        empty = [told(await anext(client)) for client in (first, second)]
        review = await asked(ledger, RUN_ID)
        came = [told(await anext(client)) for client in (first, second)]
        await ledger.write(reviews.claim, review, "Mona", 5)
        claimed = [told(await anext(client)) for client in (first, second)]
    await first.aclose()
    await second.aclose()

    assert [count for count, _ in (*empty, *came, *claimed)] == [0, 0, 1, 1, 1, 1]
    assert len({state for _, state in (*empty, *came, *claimed)}) == 3


async def test_a_client_whose_key_ends_hears_no_more(watch: InboxWatch) -> None:
    is_valid = True
    client = watch.follow(lambda: is_valid)
    async with asyncio.timeout(20):
        await anext(client)
        is_valid = False
        with pytest.raises(StopAsyncIteration):
            await anext(client)


async def test_without_clients_no_reader_is_left(watch: InboxWatch) -> None:
    client = watch.follow(lambda: True)
    await anext(client)
    readers = [task for task in asyncio.all_tasks() if task.get_name() == "inbox watch looks"]
    await client.aclose()
    await asyncio.gather(*readers, return_exceptions=True)

    assert len(readers) == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "inbox watch looks"]
