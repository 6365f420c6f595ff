"""Sessions: a cookie stands for a key, for a while, and never alone for a change."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from api.security.sessions import CSRF_HEADER, Sessions
from data.contracts.review import Channel
from tests.api.desks import RUN_ID
from tests.api.security.conftest import Guarded, bearer

ANSWER = {"gate": "underwriter", "decision": "approve", "reviewer": "typed", "reason": "seen it"}


async def sign_in(guarded: Guarded, key: str) -> httpx.Response:
    return await guarded.client.post("/session", json={"key": key})


async def test_a_key_opens_a_session_that_reads_without_the_key(guarded: Guarded) -> None:
    key = guarded.key("viewer", name="Vera")
    before = (await guarded.client.get("/session")).json()

    opened = await sign_in(guarded, key)
    cookie = opened.headers["set-cookie"]

    assert (before["signed_in"], before["csrf"]) == (False, "")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert key not in cookie
    assert (await guarded.client.get("/runs")).status_code == 200
    found = (await guarded.client.get("/session")).json()
    assert (found["signed_in"], found["name"], found["roles"]) == (True, "Vera", ["viewer"])
    assert found["csrf"] == opened.json()["csrf"] != ""


async def test_a_wrong_key_opens_nothing(guarded: Guarded) -> None:
    refused = await sign_in(guarded, "cdk_00000000_wrong")

    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers
    assert "wrong" not in refused.text


async def test_a_change_needs_the_token_of_the_session(guarded: Guarded) -> None:
    token = (await sign_in(guarded, guarded.key("underwriter"))).json()["csrf"]
    path = f"/runs/{RUN_ID}/hitl"

    without = await guarded.client.post(path, json=ANSWER)
    wrong = await guarded.client.post(path, json=ANSWER, headers={CSRF_HEADER: "0" * 64})
    assert guarded.desk.asked == []
    right = await guarded.client.post(path, json=ANSWER, headers={CSRF_HEADER: token})

    assert (without.status_code, wrong.status_code, right.status_code) == (403, 403, 202)
    assert CSRF_HEADER in without.json()["detail"]


async def test_an_answer_by_session_has_the_name_of_the_key_and_the_channel_of_the_page(
    guarded: Guarded,
) -> None:
    token = (await sign_in(guarded, guarded.key("underwriter", name="Una"))).json()["csrf"]

    await guarded.client.post(f"/runs/{RUN_ID}/hitl", json=ANSWER, headers={CSRF_HEADER: token})

    _, _, caller, *_ = guarded.desk.asked[-1]
    assert (caller.name, caller.proven, caller.channel) == ("Una", True, Channel.PAGE)


async def test_a_session_ends_with_its_key(guarded: Guarded) -> None:
    made, key = guarded.keys.create("Una", ["viewer"])
    await sign_in(guarded, key)
    assert (await guarded.client.get("/runs")).status_code == 200

    guarded.keys.revoke(made.id)

    assert (await guarded.client.get("/runs")).status_code == 401
    assert not (await guarded.client.get("/session")).json()["signed_in"]


async def test_signing_out_takes_the_cookie_away(guarded: Guarded) -> None:
    token = (await sign_in(guarded, guarded.key("viewer"))).json()["csrf"]

    gone = await guarded.client.delete("/session", headers={CSRF_HEADER: token})

    assert gone.status_code == 204
    assert (await guarded.client.get("/runs")).status_code == 401


async def test_a_session_that_has_ended_does_not_keep_a_person_from_signing_in_again(
    guarded: Guarded,
) -> None:
    made, key = guarded.keys.create("Una", ["viewer"])
    await sign_in(guarded, key)
    guarded.keys.revoke(made.id)

    assert (await sign_in(guarded, guarded.key("viewer"))).status_code == 200


async def test_a_key_in_a_header_counts_before_the_session(guarded: Guarded) -> None:
    await sign_in(guarded, guarded.key("viewer", name="Vera"))
    other = guarded.key("underwriter", name="Una")

    found = await guarded.client.get("/session", headers=bearer(other))

    assert found.json()["name"] == "Una"


def test_a_session_ends_after_its_hours_and_is_worth_nothing_at_another_desk(
    tmp_path: Path,
) -> None:
    now = 1_000_000.0
    sessions = Sessions(tmp_path / "one", hours=2, clock=lambda: now)
    cookie = sessions.open("0badcafe")
    another_process = Sessions(tmp_path / "one", clock=lambda: now + 7199)

    assert another_process.key_id(cookie) == "0badcafe"
    assert Sessions(tmp_path / "one", clock=lambda: now + 7200).key_id(cookie) == ""
    assert Sessions(tmp_path / "other", clock=lambda: now).key_id(cookie) == ""
    assert sessions.csrf(cookie) != sessions.csrf(sessions.open("0badcafe"))


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "a.b.c", "é.é", "." * 400])
def test_a_cookie_that_the_desk_has_not_signed_names_no_key(cookie: str, tmp_path: Path) -> None:
    assert Sessions(tmp_path).key_id(cookie) == ""
