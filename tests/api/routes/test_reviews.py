"""Reviews over HTTP: the open request, the answer, the inbox."""

from __future__ import annotations

import httpx
import pytest

from data.contracts.review import Role
from tests.api.desks import RUN_ID, FakeDesk

ANSWER = {"gate": "underwriter", "decision": "approve", "reviewer": "u-1", "reason": "tenure"}


async def test_an_open_request_comes_with_the_form_to_fill_in(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/runs/{RUN_ID}/hitl")

    assert answer.json()["review"]["gate"] == "underwriter"
    assert answer.json()["schema"] == {"properties": {}}


async def test_an_answer_is_202_and_carries_fields_and_key_to_the_desk(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.post(
        f"/runs/{RUN_ID}/hitl",
        json=ANSWER | {"amount": 9000},
        headers={"Idempotency-Key": "once"},
    )

    run_id, given, caller, key = desk.asked[0]
    assert answer.status_code == 202
    assert (run_id, given.gate, key) == (RUN_ID, "underwriter", "once")
    assert given.fields["amount"] == 9000
    assert caller.proven is False


@pytest.mark.parametrize("missing", sorted(ANSWER))
async def test_an_answer_without_one_of_its_parts_is_422(
    client: httpx.AsyncClient, desk: FakeDesk, missing: str
) -> None:
    given = {name: value for name, value in ANSWER.items() if name != missing}

    answer = await client.post(f"/runs/{RUN_ID}/hitl", json=given)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{missing}"
    assert desk.asked == []


@pytest.mark.parametrize(("query", "role"), [("", None), ("?role=compliance", Role.COMPLIANCE)])
async def test_the_inbox_is_asked_by_role(
    client: httpx.AsyncClient, desk: FakeDesk, query: str, role: Role | None
) -> None:
    answer = await client.get(f"/inbox{query}")

    assert answer.json() == []
    assert desk.asked == [(role,)]
