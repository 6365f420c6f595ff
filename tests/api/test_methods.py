"""HEAD wherever GET is, and the methods that a refusal names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from api.security.keys import KeyFile
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.journals import a_run, tell

READABLE = (
    *("/runs", f"/runs/{RUN_ID}", f"/runs/{RUN_ID}/state", f"/runs/{RUN_ID}/decision"),
    *(f"/runs/{RUN_ID}/hitl", f"/runs/{RUN_ID}/notice", "/inbox", "/applications/ada-prime"),
    *("/workflow/graph.svg", "/health/live", "/health/ready", "/openapi.json", "/docs"),
    "/metrics",
)


@pytest.mark.parametrize("path", READABLE)
async def test_head_is_answered_like_get_without_a_body(
    client: httpx.AsyncClient, path: str
) -> None:
    got, head = await client.get(path), await client.head(path)

    assert (got.status_code, head.status_code) == (200, 200)
    assert head.content == b""
    assert head.headers == got.headers


async def test_head_finds_no_run_where_get_finds_none(client: httpx.AsyncClient) -> None:
    answer = await client.head("/runs/unheard-of")

    assert (answer.status_code, answer.content) == (404, b"")


async def test_head_of_an_open_stream_is_answered_at_once(desk: FakeDesk, ledger: Ledger) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_STARTED)
    app = app_of(desk)
    async with client_of(app) as client:
        answer = await asyncio.wait_for(client.head(f"/runs/{RUN_ID}/events"), 5)

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert app.state.hub.followed == frozenset()


async def test_head_of_a_stream_that_is_seen_to_its_end_is_204(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)

    assert (await client.head(f"/runs/{RUN_ID}/events?after=1")).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/runs", "GET, HEAD, POST"),
        ("DELETE", "/runs", "GET, HEAD, POST"),
        ("GET", f"/runs/{RUN_ID}/cancel", "POST"),
        ("HEAD", f"/runs/{RUN_ID}/cancel", "POST"),
        ("PATCH", f"/runs/{RUN_ID}/hitl", "GET, HEAD, POST"),
        ("GET", f"/runs/{RUN_ID}/hold", "DELETE, POST"),
        ("POST", "/health/live", "GET, HEAD"),
        ("OPTIONS", "/inbox", "GET, HEAD"),
    ],
)
@pytest.mark.parametrize("with_keys", [False, True])
async def test_a_refusal_names_every_method_of_the_address(
    desk: FakeDesk, tmp_path: Path, method: str, path: str, allowed: str, with_keys: bool
) -> None:
    headers = {}
    if with_keys:
        _, token = KeyFile(tmp_path / "keys.json").create("vera", ["viewer"])
        headers = {"X-API-Key": token}
    async with client_of(app_of(desk, Settings(home=tmp_path))) as client:
        refused = await client.request(method, path, headers=headers)

    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert desk.asked == []
