"""How often a key may ask, how long a request may take, how many streams are open at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.problems import TooManyRequestsError, Unexpected
from api.security.keys import KeyFile
from api.security.limits import STREAM_RETRY_SECONDS, RateLimit, TimeLimit
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.journals import a_run, tell
from tests.api.security.conftest import bearer


def test_a_bucket_empties_and_fills_evenly() -> None:
    now = 0.0
    rate = RateLimit(60, clock=lambda: now)
    for _ in range(60):
        rate.take("one")

    with pytest.raises(TooManyRequestsError) as refused:
        rate.take("one")
    assert refused.value.retry_after == 1
    rate.take("other")

    now = 2.0
    rate.take("one")
    rate.take("one")
    with pytest.raises(TooManyRequestsError):
        rate.take("one")


async def test_beyond_its_rate_a_key_is_told_when_to_come_back(
    desk: FakeDesk, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, rate_limit_per_minute=3)
    keys = KeyFile(tmp_path / "keys.json")
    busy, calm = (keys.create(name, ["viewer"])[1] for name in ("busy", "calm"))
    async with client_of(app_of(desk, settings)) as client:
        answers = [await client.get("/runs", headers=bearer(busy)) for _ in range(4)]
        other = await client.get("/runs", headers=bearer(calm))
        probe = await client.get("/health/live")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert answers[-1].json()["code"] == "too_many_requests"
    assert (other.status_code, probe.status_code) == (200, 200)


async def test_a_request_that_takes_too_long_is_given_up_and_a_stream_is_not() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.2)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    transport = httpx.ASGITransport(Unexpected(TimeLimit(slow, seconds=0.05)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        given_up = await client.get("/runs")
        stream = await client.get(f"/runs/{RUN_ID}/events")

    assert given_up.status_code == 503
    assert given_up.json()["code"] == "unavailable"
    assert given_up.headers["retry-after"] == "1"
    assert stream.text == "done"


async def streams_of(
    client: httpx.AsyncClient, count: int, headers: dict[str, str]
) -> list[asyncio.Task[httpx.Response]]:
    """So many streams of one caller, opened one after another."""
    opened = []
    for _ in range(count):
        opened.append(asyncio.create_task(client.get(f"/runs/{RUN_ID}/events", headers=headers)))
        await asyncio.sleep(0.05)
    return opened


async def ended(streams: list[asyncio.Task[httpx.Response]]) -> None:
    """Leave streams as a client does that closes its connection."""
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)


async def test_beyond_its_streams_a_key_is_told_when_to_come_back(
    desk: FakeDesk, ledger: Ledger, tmp_path: Path
) -> None:
    await a_run(ledger)
    keys = KeyFile(tmp_path / "keys.json")
    busy, calm = (bearer(keys.create(name, ["viewer"])[1]) for name in ("busy", "calm"))
    async with client_of(app_of(desk, Settings(home=tmp_path, streams_per_key=2))) as client:
        streams = await streams_of(client, 2, busy)
        refused = await client.get(f"/runs/{RUN_ID}/events", headers=busy)
        streams += await streams_of(client, 1, calm)

        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert refused.headers["retry-after"] == str(STREAM_RETRY_SECONDS)
        assert not any(stream.done() for stream in streams)
        assert (await client.get("/runs", headers=busy)).status_code == 200

        await ended(streams)
        again = await streams_of(client, 2, busy)
        assert not any(stream.done() for stream in again)
        await ended(again)


async def test_a_process_serves_so_many_streams_and_no_more(
    desk: FakeDesk, ledger: Ledger, tmp_path: Path
) -> None:
    await a_run(ledger)
    settings = Settings(home=tmp_path, streams_per_key=1, streams_per_process=3)
    async with client_of(app_of(desk, settings)) as client:
        streams = await streams_of(client, 3, {})
        refused = await client.get(f"/runs/{RUN_ID}/events")

        assert refused.status_code == 429
        assert not any(stream.done() for stream in streams)
        await ended(streams)


async def test_a_stream_that_is_refused_or_ends_is_counted_off(
    desk: FakeDesk, ledger: Ledger, tmp_path: Path
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)
    async with client_of(app_of(desk, Settings(home=tmp_path, streams_per_process=1))) as client:
        for path, status in (("/events", 200), ("/events?after=9", 400), ("/events?after=1", 204)):
            for _ in range(3):
                assert (await client.get(f"/runs/{RUN_ID}{path}")).status_code == status
