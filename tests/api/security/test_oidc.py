"""Sign-in by OpenID Connect, against an issuer of the tests' own."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from api.app import create_app
from api.security.keys import KeyFile
from data.contracts.errors import ContractViolationError, ExtraMissingError
from data.contracts.review import Channel
from data.settings import Settings
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.security.issuer import CLIENT, SECRET, Issuer, an_issuer

ROLES = {"officers": "underwriter", "seniors": "senior_underwriter", "also": "underwriter"}
ANSWER = {"gate": "underwriter", "decision": "approve", "reviewer": "typed", "reason": "seen it"}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with an_issuer() as issuer:
        yield issuer


def settings_for(issuer: Issuer, home: Path, **others: Any) -> Settings:
    return Settings(
        home=home,
        public_api_url="http://localhost",
        oidc_issuer=issuer.url,
        oidc_client_id=CLIENT,
        oidc_client_secret=SecretStr(SECRET),
        oidc_roles=ROLES,
        **others,
    )


@dataclass
class Browser:
    """A client that keeps cookies and follows the redirects between desk and issuer."""

    client: httpx.AsyncClient
    desk: FakeDesk

    async def go_to_issuer(self, **query: str) -> str:
        """The address at the desk to which the issuer sends the browser back."""
        sent = await self.client.get("/session/oidc", params=query)
        assert sent.status_code == 303, sent.text
        async with httpx.AsyncClient() as outside:
            back = await outside.get(sent.headers["location"])
        location: str = back.headers["location"]
        return location

    async def sign_in(self, **query: str) -> httpx.Response:
        return await self.client.get(await self.go_to_issuer(**query))

    async def session(self) -> dict[str, Any]:
        view: dict[str, Any] = (await self.client.get("/session")).json()
        return view

    async def answer(self) -> Any:
        """Answer at a gate. The caller as the desk knows them."""
        csrf = {"X-CSRF-Token": (await self.session())["csrf"]}
        answered = await self.client.post(f"/runs/{RUN_ID}/hitl", json=ANSWER, headers=csrf)
        assert answered.status_code == 202, answered.text
        return self.desk.asked[-1][2]


@pytest.fixture
async def browser(desk: FakeDesk, issuer: Issuer, tmp_path: Path) -> AsyncIterator[Browser]:
    async with client_of(app_of(desk, settings_for(issuer, tmp_path / "home"))) as client:
        yield Browser(client, desk)


async def is_refused(browser: Browser) -> bool:
    refused = await browser.sign_in()
    assert refused.status_code == 401, refused.text
    assert refused.json()["code"] == "unauthenticated"
    return not (await browser.session())["signed_in"]


# -- who comes in ------------------------------------------------------------------------------


async def test_an_issuer_closes_the_desk_to_those_who_have_not_signed_in(browser: Browser) -> None:
    assert (await browser.client.get("/runs")).status_code == 401
    view = await browser.session()
    assert (view["signed_in"], view["sign_in"]) == (False, ["oidc"])


async def test_a_person_signs_in_and_acts_under_issuer_and_subject(
    browser: Browser, issuer: Issuer
) -> None:
    back = await browser.sign_in(next="/?run=1")

    assert (back.status_code, back.headers["location"]) == (303, "/?run=1")
    view = await browser.session()
    assert (view["name"], view["roles"], view["signed_in"]) == ("Una Writer", ["underwriter"], True)
    caller = await browser.answer()
    assert (caller.name, caller.principal) == ("Una Writer", f"{issuer.url}#u-17")
    assert (caller.proven, caller.channel) == (True, Channel.PAGE)


async def test_two_sessions_of_one_subject_are_one_person_under_any_name(
    browser: Browser, issuer: Issuer
) -> None:
    await browser.sign_in()
    first = await browser.answer()
    browser.client.cookies.clear()
    issuer.person["name"] = "Una Married"
    await browser.sign_in()
    again = await browser.answer()
    browser.client.cookies.clear()
    issuer.person = {"sub": "u-18", "name": "Una Writer", "groups": ["officers"]}
    await browser.sign_in()
    other = await browser.answer()

    assert again.name == "Una Married"
    assert again.person.is_same_as(first.person)
    assert not other.person.is_same_as(first.person)


async def test_a_key_whose_principal_is_issuer_and_subject_is_the_same_person(
    browser: Browser, issuer: Issuer, tmp_path: Path
) -> None:
    issuer.person["sub"] = "U-17-Mixed"
    await browser.sign_in()
    signed_in = await browser.answer()
    keys = KeyFile(tmp_path / "home" / "keys.json")
    _, token = keys.create("By command", ["underwriter"], principal=f"{issuer.url}#U-17-Mixed")
    browser.client.cookies.clear()

    await browser.client.post(f"/runs/{RUN_ID}/hitl", json=ANSWER, headers={"X-API-Key": token})

    assert browser.desk.asked[-1][2].person.is_same_as(signed_in.person)
    assert (await browser.session())["sign_in"] == ["key", "oidc"]


@pytest.mark.parametrize(
    ("claims", "claim", "roles"),
    [
        (
            {"groups": ["seniors", "officers", "unknown"]},
            "groups",
            {"underwriter", "senior_underwriter"},
        ),
        ({"groups": ["also", "officers"]}, "groups", {"underwriter"}),
        ({"groups": "officers"}, "groups", {"underwriter"}),
        ({"realm_access": {"roles": ["seniors"]}}, "realm_access.roles", {"senior_underwriter"}),
        (
            {"https://bank.example/roles": ["seniors"]},
            "https://bank.example/roles",
            {"senior_underwriter"},
        ),
    ],
)
async def test_groups_become_roles_by_settings(
    desk: FakeDesk,
    issuer: Issuer,
    tmp_path: Path,
    claims: dict[str, Any],
    claim: str,
    roles: set[str],
) -> None:
    issuer.person = {"sub": "u-17", "name": "Una Writer"} | claims
    app = app_of(desk, settings_for(issuer, tmp_path, oidc_roles_claim=claim))
    async with client_of(app) as client:
        browser = Browser(client, desk)
        await browser.sign_in()

        view = await browser.session()

    assert set(view["roles"]) == roles
    assert len(view["roles"]) == len(roles)


@pytest.mark.parametrize("groups", [[], ["unknown"], None, {"officers": True}, [["officers"]], 7])
async def test_a_person_without_a_role_is_not_let_in(
    browser: Browser, issuer: Issuer, groups: Any
) -> None:
    issuer.person["groups"] = groups

    refused = await browser.sign_in()

    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert not (await browser.session())["signed_in"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"name": None, "preferred_username": "una"}, "una"),
        ({"name": "two\nlines"}, "u-17"),
        ({"name": "x" * 101}, "u-17"),
        ({"name": ["Una"]}, "u-17"),
    ],
)
async def test_the_name_that_is_shown_is_one_line_of_text(
    browser: Browser, issuer: Issuer, said: dict[str, Any], shown: str
) -> None:
    issuer.person |= said
    await browser.sign_in()

    assert (await browser.session())["name"] == shown


# -- tokens that are refused -------------------------------------------------------------------

_PAST = int(time.time()) - 3600


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"aud": None},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": _PAST},
        {"exp": None},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"nonce": "of-another-sign-in"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 17},
    ],
    ids=lambda changes: "-".join(changes),  # without the clock: every process has the same ids
)
async def test_a_token_with_another_claim_is_refused(
    browser: Browser, issuer: Issuer, changes: dict[str, Any]
) -> None:
    issuer.changes = changes

    assert await is_refused(browser)


@pytest.mark.parametrize("signing", ["none", "HS256"])
async def test_a_token_that_no_private_key_signed_is_refused(
    browser: Browser, issuer: Issuer, signing: str
) -> None:
    issuer.signing = signing

    assert await is_refused(browser)


async def test_a_token_signed_by_a_key_that_is_not_published_is_refused(
    browser: Browser, issuer: Issuer
) -> None:
    issuer.published = [issuer.key]
    rotated = Issuer(issuer.url)
    issuer.key = rotated.key

    assert await is_refused(browser)


async def test_a_new_key_of_the_issuer_counts_at_once_and_the_old_one_no_more(
    browser: Browser, issuer: Issuer
) -> None:
    assert (await browser.sign_in()).status_code == 303
    old = issuer.key

    issuer.rotate()
    assert (await browser.sign_in()).status_code == 303

    issuer.published, issuer.key = [issuer.key], old
    browser.client.cookies.clear()
    assert await is_refused(browser)


# -- answers that this browser did not ask for -------------------------------------------------


async def test_a_code_of_another_browser_signs_nobody_in(
    browser: Browser, desk: FakeDesk, issuer: Issuer, tmp_path: Path
) -> None:
    stolen = await browser.go_to_issuer()
    async with client_of(app_of(desk, settings_for(issuer, tmp_path / "home"))) as other:
        assert (await other.get(stolen)).status_code == 401

        victim = Browser(other, desk)
        await victim.go_to_issuer()
        assert (await other.get(stolen)).status_code == 401


async def test_a_code_counts_once(browser: Browser) -> None:
    address = await browser.go_to_issuer()
    assert (await browser.client.get(address)).status_code == 303

    assert (await browser.client.get(address)).status_code == 401


async def test_the_second_half_may_meet_another_process(
    browser: Browser, desk: FakeDesk, issuer: Issuer, tmp_path: Path
) -> None:
    address = await browser.go_to_issuer()
    async with client_of(app_of(desk, settings_for(issuer, tmp_path / "home"))) as other:
        other.cookies = browser.client.cookies

        assert (await other.get(address)).status_code == 303


@pytest.mark.parametrize(
    "change", ["error=access_denied", "code=", "iss=https%3A%2F%2Fevil.example", "state=other"]
)
async def test_an_answer_that_is_not_the_issuer_s_yes_is_refused(
    browser: Browser, change: str
) -> None:
    address = await browser.go_to_issuer()
    query = parse_qs(urlsplit(address).query) | parse_qs(change, keep_blank_values=True)

    refused = await browser.client.get("/session/oidc/callback", params=query)

    assert refused.status_code == 401
    assert "evil" not in refused.text


@pytest.mark.parametrize(
    "page",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "runs"],
)
async def test_a_person_comes_back_to_a_page_of_this_desk(browser: Browser, page: str) -> None:
    assert (await browser.client.get("/session/oidc", params={"next": page})).status_code == 422


async def test_state_and_session_cookies_are_for_the_browser_alone(browser: Browser) -> None:
    sent = await browser.client.get("/session/oidc")
    held = set(sent.headers["set-cookie"].split("; "))
    assert {"HttpOnly", "SameSite=lax", "Path=/session/oidc/callback"} <= held

    back = await browser.sign_in()
    given = [cookie for cookie in back.headers.get_list("set-cookie") if "Max-Age=0" not in cookie]
    assert len(given) == 1
    assert {"HttpOnly", "SameSite=strict"} <= set(given[0].split("; "))


# -- settings, and an issuer that is away ------------------------------------------------------


async def test_an_issuer_that_is_away_is_503_and_keys_go_on(
    browser: Browser, issuer: Issuer, tmp_path: Path
) -> None:
    _, token = KeyFile(tmp_path / "home" / "keys.json").create("vera", ["viewer"])
    issuer.is_down = True

    assert (await browser.client.get("/session/oidc")).status_code == 503
    assert (await browser.client.get("/runs", headers={"X-API-Key": token})).status_code == 200


@pytest.mark.parametrize("document", [{"issuer": "https://evil.example"}, {"jwks_uri": None}])
async def test_a_discovery_document_of_another_issuer_is_refused(
    browser: Browser, issuer: Issuer, document: dict[str, Any]
) -> None:
    issuer.discovery = document

    assert (await browser.client.get("/session/oidc")).status_code == 503


async def test_a_session_ends_when_the_settings_of_the_issuer_change(
    browser: Browser, desk: FakeDesk, issuer: Issuer, tmp_path: Path
) -> None:
    await browser.sign_in()
    changed = settings_for(issuer, tmp_path / "home").model_copy(
        update={"oidc_roles": (("officers", "viewer"),)}
    )
    async with client_of(app_of(desk, changed)) as other:
        other.cookies = browser.client.cookies

        assert (await other.get("/runs")).status_code == 401


async def test_a_ticket_is_for_keys(browser: Browser) -> None:
    await browser.sign_in()
    csrf = {"X-CSRF-Token": (await browser.session())["csrf"]}

    refused = await browser.client.post(f"/runs/{RUN_ID}/events/ticket", headers=csrf)

    assert refused.status_code == 403


async def test_without_an_issuer_there_is_no_way_to_one(client: httpx.AsyncClient) -> None:
    assert (await client.get("/session/oidc")).status_code == 404


def test_without_the_extra_the_api_says_what_to_install(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "joserfc", None)

    with pytest.raises(ExtraMissingError, match=r"pip install 'credit-desk-lite\[oidc\]'"):
        create_app(settings_for(issuer, tmp_path))


def test_a_role_that_the_desk_does_not_have_is_refused_at_start(
    issuer: Issuer, tmp_path: Path
) -> None:
    settings = settings_for(issuer, tmp_path).model_copy(update={"oidc_roles": (("a", "chief"),)})

    with pytest.raises(ContractViolationError, match="senior_underwriter"):
        create_app(settings)


@pytest.mark.parametrize(
    "issuer_url", ["http://sso.example", "https://sso.example?a=1", "https://sso.example#a", "sso"]
)
def test_only_an_https_issuer_or_one_of_this_machine_is_a_setting(issuer_url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(oidc_issuer=issuer_url)
