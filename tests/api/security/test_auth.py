"""Access: who may call which route, what spans tell of it, and who may reach the address."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.app import serve_api
from api.security.auth import OPEN, PERMISSIONS, SIGN_IN
from api.security.keys import KeyFile
from data.contracts.errors import ContractViolationError
from data.contracts.review import Channel, Person, Role
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.journals import a_run
from tests.api.security.conftest import Guarded, bearer

ANSWER = {"gate": "underwriter", "decision": "approve", "reviewer": "typed", "reason": "seen it"}


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
    ("principal", "proves"), [("E 4711", "e 4711"), ("", "")], ids=["named", "without"]
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
        ("viewer", "GET", f"/batches/{RUN_ID}/screenings", 403),
        ("operator", "GET", f"/batches/{RUN_ID}/screenings", 403),
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


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/runs", 401), ("/metrics", 401)])
async def test_a_browser_that_has_not_signed_in_learns_only_that_an_address_is_unknown(
    guarded: Guarded, path: str, status: int
) -> None:
    answer = await guarded.client.get(path, headers={"Accept": "text/html"})

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html") == (status == 404)
    assert guarded.desk.asked == []


async def test_every_route_stands_in_the_table(client: httpx.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()
    routes = {
        (method.upper(), path)
        for path, methods in page["paths"].items()
        for method in methods
        if path not in OPEN | SIGN_IN
    }

    assert routes - set(PERMISSIONS) == set()


async def test_the_openapi_page_says_that_keys_are_asked_for(client: httpx.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()

    assert set(page["components"]["securitySchemes"]) == {"bearer", "header"}
    listing = page["paths"]["/runs"]["get"]
    assert {"401", "403", "429"} <= set(listing["responses"])
    assert listing["security"] == [{"bearer": []}, {"header": []}]
    assert "security" not in page["paths"]["/health/live"]["get"]


# -- spans -------------------------------------------------------------------------------------


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
