"""Access: who may call which route, how often, and the security headers of answers."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.app import serve_api
from api.problems import TooManyRequestsError
from api.security.auth import OPEN, PERMISSIONS
from api.security.keys import KeyFile, KeyRing
from api.security.limits import STREAM_RETRY_SECONDS, RateLimit, TimeLimit
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    RecordNotFoundError,
    UnavailableError,
)
from data.contracts.events import EventType
from data.contracts.review import Channel, Person, Role
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.journals import a_run, tell

ANSWER = {"gate": "underwriter", "decision": "approve", "reviewer": "typed", "reason": "seen it"}


@dataclass
class Guarded:
    """A desk with a key file, and a client of it."""

    keys: KeyFile
    desk: FakeDesk
    client: httpx.AsyncClient

    def key(self, *roles: str, name: str = "ursula") -> str:
        return self.keys.create(name, roles)[1]

    async def get(self, path: str, key: str = "") -> httpx.Response:
        return await self.client.get(path, headers=bearer(key))

    async def post(self, path: str, key: str = "", **body: Any) -> httpx.Response:
        return await self.client.post(path, headers=bearer(key), json=body)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


@pytest.fixture
async def guarded(desk: FakeDesk, tmp_path: Path) -> AsyncIterator[Guarded]:
    keys = KeyFile(tmp_path / "home" / "keys.json")
    keys.create("vera", ["viewer"])
    async with client_of(app_of(desk, Settings(home=tmp_path / "home"))) as client:
        yield Guarded(keys, desk, client)


# -- keys at rest ------------------------------------------------------------------------------


def test_a_secret_is_shown_once_and_never_kept(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")

    key, token = file.create("ursula", ["underwriter"])

    mark, key_id, secret = token.split("_")
    assert (mark, key_id) == ("cdk", key.id)
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in file.path.read_text()


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, _ = file.create("ursula", ["underwriter"])
    file.revoke(key.id)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [left.name for left in tmp_path.iterdir() if left.suffix == ".tmp"] == []


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("", ["viewer"]),
        (" ", ["viewer"]),
        ("ursula", []),
        ("ursula", ["boss"]),
        ("ursula\rINFO all is well", ["viewer"]),
        ("ursula\u2028root", ["viewer"]),
    ],
)
def test_a_key_needs_a_name_and_known_roles(tmp_path: Path, name: str, roles: list[str]) -> None:
    file = KeyFile(tmp_path / "keys.json")

    with pytest.raises(ContractViolationError):
        file.create(name, roles)

    assert file.read().keys == ()


def test_a_key_is_revoked_once(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, _ = file.create("ursula", ["underwriter"])

    assert not file.revoke(key.id).is_valid
    with pytest.raises(ConflictError):
        file.revoke(key.id)
    with pytest.raises(RecordNotFoundError):
        file.revoke("00000000")


async def test_keys_made_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    await asyncio.gather(
        *(asyncio.to_thread(KeyFile(path).create, f"n{n}", ["viewer"]) for n in range(12))
    )

    assert {key.name for key in KeyFile(path).read().keys} == {f"n{n}" for n in range(12)}


@pytest.mark.parametrize("altered", ["secret", "id", "mark", "short", "empty"])
def test_a_key_that_differs_in_anything_is_no_key(tmp_path: Path, altered: str) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, token = file.create("ursula", ["underwriter"])
    mark, key_id, secret = token.split("_")
    other = {
        "secret": f"{mark}_{key_id}_{'0' * 64}",
        "id": f"{mark}_ffffffff_{secret}",
        "mark": f"abc_{key_id}_{secret}",
        "short": token[:-1],
        "empty": "",
    }[altered]
    ring = KeyRing(file.path)

    assert ring.holder(other) is None
    found = ring.holder(token)
    assert found is not None
    assert found.name == "ursula"


def test_a_broken_file_opens_nothing(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, token = file.create("ursula", ["underwriter"])
    ring = KeyRing(file.path)
    file.path.write_text("{")

    with pytest.raises(UnavailableError):
        ring.holder(token)


# -- who may call ------------------------------------------------------------------------------


async def test_without_a_key_a_request_is_answered_by_401(guarded: Guarded) -> None:
    for path in (f"/runs/{RUN_ID}", "/runs", "/inbox", "/nowhere", "/workflow/graph.svg"):
        refused = await guarded.get(path)

        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "unauthenticated"
    assert guarded.desk.asked == []


async def test_an_unknown_caller_is_refused_before_the_body_is_read(guarded: Guarded) -> None:
    refused = await guarded.client.post("/runs", content=b"{" * 4_000_000)

    assert refused.status_code == 401


async def test_a_key_is_taken_from_either_header(guarded: Guarded) -> None:
    key = guarded.key("viewer")

    by_bearer = await guarded.client.get("/runs", headers={"Authorization": f"bearer {key}"})
    by_name = await guarded.client.get("/runs", headers={"X-API-Key": key})
    basic = await guarded.client.get("/runs", headers={"Authorization": f"Basic {key}"})

    assert (by_bearer.status_code, by_name.status_code, basic.status_code) == (200, 200, 401)


async def test_a_revoked_key_is_refused_by_the_running_api(guarded: Guarded) -> None:
    key = guarded.key("viewer")
    assert (await guarded.get("/runs", key)).status_code == 200

    guarded.keys.revoke(key.split("_")[1])

    assert (await guarded.get("/runs", key)).status_code == 401


async def test_a_stream_ends_when_its_key_is_revoked(guarded: Guarded, ledger: Ledger) -> None:
    await a_run(ledger)
    key = guarded.key("viewer")
    stream = asyncio.create_task(guarded.get(f"/runs/{RUN_ID}/events", key))
    await asyncio.sleep(0.2)
    assert not stream.done()

    guarded.keys.revoke(key.split("_")[1])

    assert (await asyncio.wait_for(stream, 5)).status_code == 200


async def test_a_stream_that_needed_no_key_ends_when_there_are_keys(
    desk: FakeDesk, ledger: Ledger, tmp_path: Path
) -> None:
    await a_run(ledger)
    async with client_of(app_of(desk, Settings(home=tmp_path))) as client:
        stream = asyncio.create_task(client.get(f"/runs/{RUN_ID}/events"))
        await asyncio.sleep(0.2)
        assert not stream.done()

        KeyFile(tmp_path / "keys.json").create("ursula", ["viewer"])

        assert (await asyncio.wait_for(stream, 5)).status_code == 200


def test_a_key_holds_as_long_as_it_is_the_one_that_was_shown(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, token = file.create("ursula", ["underwriter"])
    ring = KeyRing(file.path)
    assert ring.still_holds(key)

    file.create("otto", ["operator"])
    assert ring.still_holds(key)

    file.path.write_text(file.path.read_text().replace("underwriter", "operator"))
    assert ring.holder(token) is not None
    assert not ring.still_holds(key)


async def test_the_first_key_closes_a_running_api(desk: FakeDesk, tmp_path: Path) -> None:
    async with client_of(app_of(desk, Settings(home=tmp_path))) as client:
        assert (await client.get("/runs")).status_code == 200
        KeyFile(tmp_path / "keys.json").create("ursula", ["viewer"])
        assert (await client.get("/runs")).status_code == 401


async def test_a_key_file_that_is_lost_opens_nothing(guarded: Guarded) -> None:
    key = guarded.key("viewer")
    assert (await guarded.get("/runs", key)).status_code == 200

    guarded.keys.path.unlink()

    assert (await guarded.get("/runs", key)).status_code == 401
    assert (await guarded.get("/runs")).status_code == 401


async def test_a_key_file_that_is_named_and_missing_opens_nothing(
    desk: FakeDesk, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, api_keys_file=tmp_path / "elsewhere.json")
    assert settings.has_api_keys

    async with client_of(app_of(desk, settings)) as client:
        assert (await client.get("/runs")).status_code == 401


async def test_while_the_key_file_cannot_be_read_no_caller_is_served(guarded: Guarded) -> None:
    key = guarded.key("viewer")
    guarded.keys.path.write_text("not a key file")

    assert (await guarded.get("/runs", key)).status_code == 503


async def test_probes_and_the_api_s_own_page_need_no_key(guarded: Guarded) -> None:
    for path in sorted(OPEN):
        assert (await guarded.get(path)).status_code == 200, path


async def test_without_keys_every_caller_acts_in_every_role_and_is_unproven(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await client.post(f"/runs/{RUN_ID}/hitl", json=ANSWER)

    caller = desk.asked[-1][2]
    assert (caller.name, caller.proven, set(caller.roles)) == ("", False, set(Role))


async def test_with_a_key_the_caller_is_who_the_key_says(guarded: Guarded) -> None:
    key = guarded.key("underwriter", "intake", name="ursula")

    await guarded.post(f"/runs/{RUN_ID}/hitl", key, **ANSWER)

    caller = guarded.desk.asked[-1][2]
    assert (caller.name, caller.proven) == ("ursula", True)
    assert caller.roles == (Role.UNDERWRITER, Role.INTAKE)


@pytest.mark.parametrize("channel", [Channel.HTTP, Channel.CLI, Channel.PAGE])
async def test_the_key_fixes_the_channel_and_a_header_does_not(
    guarded: Guarded, channel: Channel
) -> None:
    _, key = guarded.keys.create("una", ["underwriter"], channel=channel)

    for claimed in (*Channel, ""):
        headers = {"X-Desk-Channel": claimed, "Authorization": f"Bearer {key}"}
        await guarded.client.post(f"/runs/{RUN_ID}/hitl", json=ANSWER, headers=headers)

    assert {asked[2].channel for asked in guarded.desk.asked} == {channel}


async def test_a_caller_without_a_key_has_no_channel_but_http(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    for claimed in Channel:
        await client.post(f"/runs/{RUN_ID}/hitl", json=ANSWER, headers={"X-Desk-Channel": claimed})

    assert {asked[2].channel for asked in desk.asked} == {Channel.HTTP}


@pytest.mark.parametrize(
    ("principal", "proves"), [("E 4711", "e 4711"), ("", "una writer")], ids=["named", "by-name"]
)
async def test_a_key_proves_its_principal(guarded: Guarded, principal: str, proves: str) -> None:
    _, key = guarded.keys.create("Una Writer", ["underwriter"], principal=principal)

    await guarded.post(f"/runs/{RUN_ID}/hitl", key, **ANSWER)

    caller = guarded.desk.asked[-1][2]
    assert caller.person == Person(name="Una Writer", principal=proves)


# -- which routes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("viewer", "GET", "/runs", 200),
        ("viewer", "GET", f"/runs/{RUN_ID}/state", 200),
        ("viewer", "GET", f"/runs/{RUN_ID}/decision", 200),
        ("viewer", "POST", "/runs", 403),
        ("viewer", "POST", f"/runs/{RUN_ID}/hitl", 403),
        ("viewer", "POST", f"/runs/{RUN_ID}/cancel", 403),
        ("viewer", "GET", f"/runs/{RUN_ID}/audit", 403),
        ("viewer", "GET", "/applications/ada-prime", 403),
        ("viewer", "DELETE", "/applications/ada-prime", 403),
        ("compliance", "DELETE", "/applications/ada-prime", 403),
        ("operator", "DELETE", "/applications/ada-prime", 200),
        ("intake", "POST", "/runs", 202),
        ("intake", "POST", f"/runs/{RUN_ID}/resume", 403),
        ("underwriter", "POST", "/runs", 403),
        ("underwriter", "POST", f"/runs/{RUN_ID}/hitl", 202),
        ("underwriter", "POST", f"/runs/{RUN_ID}/resume", 202),
        ("underwriter", "POST", f"/runs/{RUN_ID}/cancel", 403),
        ("senior_underwriter", "POST", f"/runs/{RUN_ID}/hitl", 202),
        ("compliance", "POST", f"/runs/{RUN_ID}/hitl", 202),
        ("compliance", "POST", f"/runs/{RUN_ID}/resume", 403),
        ("operator", "POST", f"/runs/{RUN_ID}/resume", 202),
        ("operator", "POST", f"/runs/{RUN_ID}/hitl", 403),
        ("operator", "POST", "/runs", 403),
        ("viewer", "GET", "/nowhere", 404),
        ("viewer", "PUT", "/runs", 405),
    ],
)
async def test_each_role_may_do_its_own_work_only(
    guarded: Guarded, role: str, method: str, path: str, status: int
) -> None:
    bodies: dict[str, dict[str, Any]] = {"/runs": {"application_id": "ada-prime"}, "hitl": ANSWER}
    body = bodies.get(path) or bodies.get(path.rpartition("/")[2]) or {}
    key = guarded.key(role)

    answer = await guarded.client.request(
        method, path, headers=bearer(key), json=body if method == "POST" else None
    )

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "not_allowed"
        assert guarded.desk.asked == []


async def test_every_route_stands_in_the_table(client: httpx.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()
    routes = {
        (method.upper(), path)
        for path, methods in page["paths"].items()
        for method in methods
        if path not in OPEN
    }

    assert routes - set(PERMISSIONS) == set()


async def test_the_openapi_page_says_that_keys_are_asked_for(client: httpx.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()

    assert set(page["components"]["securitySchemes"]) == {"bearer", "header"}
    listing = page["paths"]["/runs"]["get"]
    assert {"401", "403", "429"} <= set(listing["responses"])
    assert listing["security"] == [{"bearer": []}, {"header": []}]
    assert "security" not in page["paths"]["/health/live"]["get"]


# -- how often, how long -----------------------------------------------------------------------


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

    transport = httpx.ASGITransport(TimeLimit(slow, seconds=0.05))
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


# -- headers of every answer -------------------------------------------------------------------


async def test_every_answer_tells_a_browser_to_be_careful(client: httpx.AsyncClient) -> None:
    for path in ("/runs", f"/runs/{RUN_ID}", "/nowhere", "/health/live", "/docs"):
        headers = (await client.get(path)).headers

        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["cache-control"] == "no-store", path


async def test_data_may_load_nothing_and_the_api_page_may_load_its_program(
    client: httpx.AsyncClient,
) -> None:
    data = (await client.get("/runs")).headers["content-security-policy"]
    page = await client.get("/docs")
    policy = page.headers["content-security-policy"]

    assert data.startswith("default-src 'none'")
    hosts = {part.split("/")[2] for part in page.text.split('"') if part.startswith("https://")}
    assert hosts
    assert all(f"https://{host}" in policy for host in hosts)


async def test_refusals_and_failures_have_the_headers_too(guarded: Guarded) -> None:
    guarded.desk.error = RuntimeError("the value 529-73-7637 was not expected")
    key = guarded.key("viewer")

    refused, failed = await guarded.get("/runs"), await guarded.get("/runs", key)

    assert (refused.status_code, failed.status_code) == (401, 500)
    for answer in (refused, failed):
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "529-73-7637" not in failed.text
    assert "Traceback" not in failed.text


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


async def test_what_was_searched_for_and_the_key_are_in_no_span(
    spans: InMemorySpanExporter, desk: FakeDesk, tmp_path: Path
) -> None:
    token = KeyFile(tmp_path / "keys.json").create("ursula", ["viewer"])[1]
    async with client_of(app_of(desk, Settings(home=tmp_path))) as client:
        await client.get("/runs?application_id=secret-id-1", headers=bearer(token))
        await client.get("/runs/somebody@example.com", headers=bearer(token))

    told = json.dumps([dict(span.attributes or {}) for span in spans.get_finished_spans()])
    assert "/runs" in told
    assert "secret-id-1" not in told
    assert "somebody@example.com" not in told
    assert token.split("_")[2] not in told


# -- the address -------------------------------------------------------------------------------


def test_without_keys_the_api_refuses_to_be_seen_by_others(tmp_path: Path) -> None:
    with pytest.raises(ContractViolationError, match="this machine only"):
        serve_api(Settings(home=tmp_path, api_host="0.0.0.0"))  # noqa: S104


def test_with_keys_the_api_may_be_seen_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyFile(tmp_path / "keys.json").create("ursula", ["viewer"])
    served: list[str] = []
    monkeypatch.setattr("api.app.parent_pipe.exit_with_parent", lambda: None)
    monkeypatch.setattr("api.app.telemetry.setup", lambda **_: None)
    monkeypatch.setattr("api.app._Server.run", lambda server: served.append(server.config.host))

    serve_api(Settings(home=tmp_path, api_host="0.0.0.0"))  # noqa: S104

    assert served == ["0.0.0.0"]  # noqa: S104


def test_settings_and_middleware_agree_on_where_the_keys_are(tmp_path: Path) -> None:
    named = tmp_path / "etc" / "keys.json"

    assert [Settings(home=tmp_path).has_api_keys, Settings(home=named.parent).has_api_keys] == [
        False,
        False,
    ]
    KeyFile(Settings(home=tmp_path).keys_file).create("ursula", ["viewer"])
    assert [Settings(home=tmp_path).has_api_keys, Settings(home=named.parent).has_api_keys] == [
        True,
        False,
    ]
    assert Settings(home=tmp_path, api_keys_file=named).keys_file == named
