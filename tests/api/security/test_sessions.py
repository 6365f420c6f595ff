"""Sessions: a browser signs in with a key, and its cookie is worth no more than that key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.security.keys import ApiKey, KeyFile, KeyRing, Keys, write_private
from api.security.sessions import Session, Sessions
from data.contracts.errors import UnavailableError
from data.contracts.events import EventType
from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.journals import a_run, ids_in, tell

ANSWER = {"gate": "underwriter", "decision": "approve", "reviewer": "typed", "reason": "seen it"}


@dataclass
class Browser:
    """A client that keeps cookies, and a key to sign in with."""

    client: httpx.AsyncClient
    keys: KeyFile
    key: ApiKey
    token: str
    desk: FakeDesk

    async def sign_in(self) -> dict[str, Any]:
        answer = await self.client.post("/session", json={"key": self.token})
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    async def session(self) -> dict[str, Any]:
        view: dict[str, Any] = (await self.client.get("/session")).json()
        return view


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", session_minutes=5)


@pytest.fixture
async def browser(desk: FakeDesk, settings: Settings) -> AsyncIterator[Browser]:
    keys = KeyFile(settings.keys_file)
    key, token = keys.create("Una Writer", ["underwriter"], principal="una")
    async with client_of(app_of(desk, settings)) as client:
        yield Browser(client, keys, key, token, desk)


# -- signing in --------------------------------------------------------------------------------


async def test_before_signing_in_a_browser_learns_how(browser: Browser) -> None:
    assert await browser.session() == {
        "name": "",
        "roles": [],
        "csrf": "",
        "sign_in": ["key"],
        "signed_in": False,
    }
    assert (await browser.client.get("/runs")).status_code == 401


async def test_a_key_opens_a_session_that_acts_in_its_name(browser: Browser) -> None:
    view = await browser.sign_in()

    assert view == await browser.session()
    assert (view["name"], view["roles"], view["signed_in"]) == ("Una Writer", ["underwriter"], True)
    answered = await browser.client.post(
        f"/runs/{RUN_ID}/hitl", json=ANSWER, headers={"X-CSRF-Token": view["csrf"]}
    )
    assert answered.status_code == 202
    caller = browser.desk.asked[-1][2]
    assert (caller.name, caller.principal, caller.proven) == ("Una Writer", "una", True)
    assert caller.channel is Channel.PAGE


async def test_no_script_and_no_other_site_gets_the_cookie(browser: Browser) -> None:
    answer = await browser.client.post("/session", json={"key": browser.token})

    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=300"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert browser.token.split("_")[2] not in answer.text + cookie


@pytest.mark.parametrize(
    ("scheme", "public"),
    [("https", ""), ("http", "https://desk.example"), ("https", "https://a.b")],
)
async def test_over_https_the_cookie_never_travels_in_the_open(
    desk: FakeDesk, tmp_path: Path, scheme: str, public: str
) -> None:
    _, token = KeyFile(tmp_path / "keys.json").create("vera", ["viewer"])
    app = app_of(desk, Settings(home=tmp_path, public_api_url=public))
    async with client_of(app) as client:
        answer = await client.post(f"{scheme}://localhost/session", json={"key": token})
        shown = answer.headers["set-cookie"]
        name, _, rest = shown.partition("=")
        value = rest.partition(";")[0]
        seen = await client.get(f"{scheme}://localhost/runs", headers={"Cookie": f"{name}={value}"})

    assert "Secure" in shown.split("; ")
    assert shown.startswith("__Host-")
    assert seen.status_code == 200


@pytest.mark.parametrize("key", ["cdk_00000000_00", "made-up", " "])
async def test_a_wrong_key_opens_no_session(browser: Browser, key: str) -> None:
    refused = await browser.client.post("/session", json={"key": key})

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert "set-cookie" not in refused.headers


async def test_another_site_cannot_post_a_form_that_signs_in(browser: Browser) -> None:
    form = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    refused = await browser.client.post(
        "/session", content=json.dumps({"key": browser.token}), headers=form
    )

    assert refused.status_code == 415


async def test_a_desk_without_keys_asks_nothing(client: httpx.AsyncClient) -> None:
    view = (await client.get("/session")).json()

    assert (view["signed_in"], view["sign_in"], view["csrf"]) == (True, [], "")
    assert set(view["roles"]) == set(Role)
    assert (await client.post("/runs", json={"application_id": "ada-prime"})).status_code == 202


async def test_a_caller_with_a_key_is_signed_in_without_a_session(browser: Browser) -> None:
    answer = await browser.client.get("/session", headers={"X-API-Key": browser.token})

    assert (answer.json()["name"], answer.json()["signed_in"]) == ("Una Writer", True)
    assert answer.json()["csrf"] == ""


# -- what a session may do ---------------------------------------------------------------------


async def test_a_session_has_the_roles_of_its_key_and_no_other(browser: Browser) -> None:
    view = await browser.sign_in()
    csrf = {"X-CSRF-Token": view["csrf"]}

    refused = await browser.client.post("/runs", json={"application_id": "ada-prime"}, headers=csrf)

    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await browser.client.get("/nowhere")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", f"/runs/{RUN_ID}/hitl"), ("DELETE", f"/runs/{RUN_ID}/claim"), ("DELETE", "/session")],
)
@pytest.mark.parametrize("shown", ["", "0" * 64, "é"])
async def test_an_unsafe_request_needs_the_token_beside_the_cookie(
    browser: Browser, method: str, path: str, shown: str
) -> None:
    await browser.sign_in()
    headers = [(b"X-CSRF-Token", shown.encode())] if shown else []

    refused = await browser.client.request(method, path, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_token")
    assert browser.desk.asked == []
    assert (await browser.session())["signed_in"]


async def test_the_token_of_another_session_does_not_count(browser: Browser) -> None:
    first = await browser.sign_in()
    second = await browser.sign_in()
    assert first["csrf"] != second["csrf"]

    refused = await browser.client.post(
        f"/runs/{RUN_ID}/hitl", json=ANSWER, headers={"X-CSRF-Token": first["csrf"]}
    )

    assert refused.status_code == 403


async def test_a_key_in_a_header_needs_no_token_and_counts_before_the_cookie(
    browser: Browser,
) -> None:
    await browser.sign_in()
    _, operator = browser.keys.create("otto", ["operator"])

    cancelled = await browser.client.post(
        "/housekeeping", headers={"Authorization": f"Bearer {operator}"}
    )
    refused = await browser.client.get("/runs", headers={"X-API-Key": "cdk_00000000_00"})

    assert cancelled.status_code != 403
    assert refused.status_code == 401


async def test_an_event_stream_opens_by_the_cookie(browser: Browser, ledger: Ledger) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)
    await browser.sign_in()

    answer = await browser.client.get(f"/runs/{RUN_ID}/events")

    assert ids_in(answer.content) == [1]


# -- how a session ends ------------------------------------------------------------------------


async def test_signing_out_ends_the_session_and_every_copy_of_its_cookie(browser: Browser) -> None:
    view = await browser.sign_in()
    stolen = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    }

    left = await browser.client.delete("/session", headers={"X-CSRF-Token": view["csrf"]})

    assert left.status_code == 204
    assert not browser.client.cookies
    assert not (await browser.session())["signed_in"]
    assert (await browser.client.get("/runs", headers=stolen)).status_code == 401


async def test_signing_out_without_a_session_does_nothing(browser: Browser) -> None:
    assert (await browser.client.delete("/session")).status_code == 204


async def test_a_session_ends_when_its_key_is_revoked(browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.client.get("/runs")).status_code == 200

    browser.keys.revoke(browser.key.id)

    assert (await browser.client.get("/runs")).status_code == 401
    assert not (await browser.session())["signed_in"]


@pytest.mark.parametrize("changed", [{"roles": (Role.VIEWER,)}, {"name": "Una Other"}])
async def test_a_session_ends_when_its_key_is_changed(
    browser: Browser, changed: dict[str, Any]
) -> None:
    await browser.sign_in()
    other = browser.key.model_copy(update=changed)

    write_private(browser.keys.path, Keys(keys=(other,)).model_dump_json().encode())

    assert (await browser.client.get("/runs")).status_code == 401


@pytest.mark.parametrize("end", ["revoked", "signed out"])
async def test_a_stream_ends_with_its_session(browser: Browser, ledger: Ledger, end: str) -> None:
    await a_run(ledger)
    view = await browser.sign_in()
    stream = asyncio.create_task(browser.client.get(f"/runs/{RUN_ID}/events"))
    await asyncio.sleep(0.2)
    assert not stream.done()

    if end == "revoked":
        browser.keys.revoke(browser.key.id)
    else:
        await browser.client.delete("/session", headers={"X-CSRF-Token": view["csrf"]})

    assert (await asyncio.wait_for(stream, 5)).status_code == 200


def test_a_session_expires(settings: Settings) -> None:
    now = 1_000.0
    _, token = KeyFile(settings.keys_file).create("vera", ["viewer"])
    sessions = Sessions(settings, KeyRing(settings.keys_file), clock=lambda: now)
    session = sessions.sign_in(token)

    now += 299
    assert sessions.still_holds(session)
    now += 1
    assert not sessions.still_holds(session)


def test_ended_sessions_are_forgotten_when_they_would_have_expired(settings: Settings) -> None:
    now = 1_000.0
    _, token = KeyFile(settings.keys_file).create("vera", ["viewer"])
    sessions = Sessions(settings, KeyRing(settings.keys_file), clock=lambda: now)
    first, second = sessions.sign_in(token), sessions.sign_in(token)
    sessions.end(first)
    assert (sessions.still_holds(first), sessions.still_holds(second)) == (False, True)

    now += 301
    sessions.end(sessions.sign_in(token))

    left = [note.name for note in (settings.folder / "ended-sessions").iterdir()]
    assert len(left) == 1
    assert first.id not in left


# -- several processes, and forged cookies -----------------------------------------------------


async def test_every_process_of_the_desk_knows_a_session_and_its_end(
    browser: Browser, desk: FakeDesk, settings: Settings
) -> None:
    view = await browser.sign_in()
    async with client_of(app_of(desk, settings)) as other:
        other.cookies = browser.client.cookies
        assert (await other.get("/session")).json() == view

        await other.delete("/session", headers={"X-CSRF-Token": view["csrf"]})

    assert (await browser.client.get("/session")).json()["signed_in"] is False


async def test_another_desk_knows_nothing_of_a_session(
    browser: Browser, desk: FakeDesk, tmp_path: Path
) -> None:
    await browser.sign_in()
    other_home = tmp_path / "other"
    write_private(other_home / "keys.json", browser.keys.path.read_bytes())
    async with client_of(app_of(desk, Settings(home=other_home))) as other:
        other.cookies = browser.client.cookies
        assert (await other.get("/runs")).status_code == 401


@pytest.mark.parametrize(
    "alter", [str.swapcase, lambda cookie: "A" + cookie, lambda _: ".", lambda cookie: cookie * 40]
)
async def test_an_altered_cookie_is_no_session(browser: Browser, alter: Any) -> None:
    await browser.sign_in()
    [(name, value)] = browser.client.cookies.items()
    browser.client.cookies.clear()

    refused = await browser.client.get("/runs", headers={"Cookie": f"{name}={alter(value)}"})

    assert refused.status_code == 401


async def test_a_ticket_is_no_cookie(browser: Browser, settings: Settings) -> None:
    await browser.sign_in()
    [name] = browser.client.cookies
    issued = await browser.client.post(
        f"/runs/{RUN_ID}/events/ticket", headers={"X-API-Key": browser.token}
    )
    browser.client.cookies.clear()

    refused = await browser.client.get(
        "/runs", headers={"Cookie": f"{name}={issued.json()['ticket']}"}
    )

    assert refused.status_code == 401


def test_while_the_keys_cannot_be_read_no_session_holds(settings: Settings) -> None:
    keys = KeyFile(settings.keys_file)
    _, token = keys.create("vera", ["viewer"])
    sessions = Sessions(settings, KeyRing(settings.keys_file))
    session: Session = sessions.sign_in(token)
    keys.path.write_text("not a key file")

    with pytest.raises(UnavailableError):
        sessions.still_holds(session)
