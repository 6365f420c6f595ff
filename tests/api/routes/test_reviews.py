"""Reviews over HTTP: the open request, the answer, the inbox."""

from __future__ import annotations

from datetime import date

import httpx
import pytest

from data.contracts.review import Role
from tests.api.desks import RUN_ID, FakeDesk

ANSWER = {"gate": "underwriter", "decision": "approve", "reviewer": "u-1", "reason": "tenure"}


async def test_an_open_request_comes_with_the_form_to_fill_in(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/runs/{RUN_ID}/hitl")

    assert answer.json()["review"]["gate"] == "underwriter"
    assert answer.json()["schema"] == {"properties": {}}
    assert answer.json()["request_id"] == "underwriter-1"
    assert answer.headers["etag"] == '"underwriter-1"'


async def test_an_answer_is_202_and_carries_fields_and_key_to_the_desk(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.post(
        f"/runs/{RUN_ID}/hitl",
        json=ANSWER | {"amount": 9000},
        headers={"Idempotency-Key": "once"},
    )

    run_id, given, caller, key, _ = desk.asked[0]
    assert answer.status_code == 202
    assert (run_id, given.gate, key) == (RUN_ID, "underwriter", "once")
    assert given.fields["amount"] == 9000
    assert caller.proven is False


@pytest.mark.parametrize(
    ("if_match", "request_id"),
    [
        (None, None),
        ("*", None),
        ('"underwriter-1"', "underwriter-1"),
        ('W/"underwriter-1"', "underwriter-1"),
        ("underwriter-1", "underwriter-1"),
    ],
)
async def test_if_match_binds_an_answer_to_its_request(
    client: httpx.AsyncClient, desk: FakeDesk, if_match: str | None, request_id: str | None
) -> None:
    headers = {"If-Match": if_match} if if_match else {}

    await client.post(f"/runs/{RUN_ID}/hitl", json=ANSWER, headers=headers)

    assert desk.asked[0][4] == request_id


async def test_a_preview_takes_the_body_of_the_answer_and_answers_nothing(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    shown = await client.post(
        f"/runs/{RUN_ID}/hitl/preview",
        json=ANSWER | {"amount": 9000},
        headers={"If-Match": '"underwriter-1"'},
    )

    ((run_id, given, _, request_id),) = desk.asked
    assert (shown.status_code, shown.json()["needs_second_person"]) == (200, True)
    assert (run_id, given.fields["amount"], request_id) == (RUN_ID, 9000, "underwriter-1")


@pytest.mark.parametrize("missing", sorted(ANSWER))
async def test_an_answer_without_one_of_its_parts_is_422(
    client: httpx.AsyncClient, desk: FakeDesk, missing: str
) -> None:
    given = {name: value for name, value in ANSWER.items() if name != missing}

    answer = await client.post(f"/runs/{RUN_ID}/hitl", json=given)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{missing}"
    assert desk.asked == []


async def test_a_report_is_asked_for_by_its_days(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    usual = await client.get("/reviews/agreement")
    chosen = await client.get("/reviews/agreement?since=2026-11-01&until=2026-12-01")
    signs = await client.get("/reviews/fraud-precision?until=2026-12-01")
    wrong = await client.get("/reviews/agreement?since=20261101")

    days = (date(2026, 11, 1), date(2026, 12, 1))
    assert desk.asked == [(None, None), days, (None, days[1])]
    assert signs.json()["total"]["precision"] == "0.5000"
    assert usual.json() == chosen.json()
    assert usual.json()["follow_rate"] == "0.6667"
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/query/since")


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", (None, 100, None)),
        ("?role=compliance", (Role.COMPLIANCE, 100, None)),
        ("?limit=2&cursor=c", (None, 2, "c")),
    ],
)
async def test_the_inbox_is_read_by_role_and_page(
    client: httpx.AsyncClient, desk: FakeDesk, query: str, asked: tuple[object, ...]
) -> None:
    answer = await client.get(f"/inbox{query}")

    assert answer.json()["items"] == []
    assert desk.asked == [asked]
