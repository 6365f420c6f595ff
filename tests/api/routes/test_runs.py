"""Runs over HTTP: started, looked at, followed, resumed."""

from __future__ import annotations

import httpx
import pytest

from data.contracts.events import EventType
from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from flows.runtime.ledger.database import Ledger
from flows.service.requests import Caller, ResumeRun, StartRun
from tests.api.desks import RUN_ID, FakeDesk
from tests.api.journals import SPAN, TRACE, a_run, ids_in, tell

EVENTS = f"/runs/{RUN_ID}/events"


@pytest.mark.parametrize(("is_new", "status"), [(True, 202), (False, 200)])
async def test_a_new_run_is_202_and_a_known_one_is_200_at_the_same_place(
    client: httpx.AsyncClient, desk: FakeDesk, is_new: bool, status: int
) -> None:
    desk.is_new = is_new

    answer = await client.post("/runs", json={"application_id": "ada-prime"})

    assert answer.status_code == status
    assert answer.headers["location"] == f"/runs/{RUN_ID}"
    assert answer.json()["run_id"] == RUN_ID
    assert answer.json()["status"] == "queued"
    assert answer.json()["links"]["events"].endswith(EVENTS)


@pytest.mark.parametrize(
    ("headers", "channel"),
    [
        ({}, Channel.HTTP),
        ({"X-Desk-Channel": "cli"}, Channel.CLI),
        ({"X-Desk-Channel": "system"}, Channel.HTTP),
    ],
)
async def test_without_keys_a_caller_has_every_role_and_is_proven_to_be_nobody(
    client: httpx.AsyncClient, desk: FakeDesk, headers: dict[str, str], channel: Channel
) -> None:
    await client.post("/runs", json={"application_id": "ada-prime"}, headers=headers)

    order = StartRun(application_id="ada-prime")
    assert desk.asked == [(order, Caller("", tuple(Role), proven=False, channel=channel))]


async def test_runs_are_listed_with_their_filters(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.get(
        "/runs", params={"status": "waiting", "application_id": "a", "limit": 2, "cursor": "c"}
    )

    assert desk.asked == [(RunStatus.WAITING, "a", 2, "c")]
    assert [run["run_id"] for run in answer.json()["items"]] == [RUN_ID]
    assert answer.json()["next_cursor"] == "next"


async def test_a_run_is_found_by_any_spelling_of_its_id(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.get(f"/runs/{RUN_ID.upper()}")

    assert answer.status_code == 200
    assert desk.asked == [(RUN_ID,)]


async def test_state_and_decision_are_answered_as_the_desk_has_them(
    client: httpx.AsyncClient,
) -> None:
    state = await client.get(f"/runs/{RUN_ID}/state")
    decision = await client.get(f"/runs/{RUN_ID}/decision")

    assert state.json()["state"] == {"a": 1}
    assert decision.json() == {"content": {"outcome": "approve"}}


@pytest.mark.parametrize(
    ("body", "order"),
    [
        (None, ResumeRun()),
        ({}, ResumeRun()),
        (
            {"checkpoint": "verification/1", "overrides": {"amount": 9000}},
            ResumeRun(checkpoint="verification/1", overrides={"amount": 9000}),
        ),
    ],
)
async def test_a_run_is_resumed_with_or_without_an_order(
    client: httpx.AsyncClient, desk: FakeDesk, body: object, order: ResumeRun
) -> None:
    answer = await client.post(f"/runs/{RUN_ID}/resume", json=body)

    assert answer.status_code == 202
    assert desk.asked[0][:2] == (RUN_ID, order)


async def test_a_run_is_resumed_without_any_body(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    answer = await client.post(f"/runs/{RUN_ID}/resume")

    assert answer.status_code == 202
    assert desk.asked[0][:2] == (RUN_ID, ResumeRun())


async def test_a_stream_is_the_journal_byte_for_byte(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)

    answer = await client.get(EVENTS)

    head, data, *rest = answer.content.split(b"\ndata: ")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert head == b"retry: 1000\n\nid: 1\nevent: run.completed"
    assert data.endswith(b'"type":"run.completed"}\n\n')
    assert f'"span_id":"{SPAN}"'.encode() in data
    assert f'"trace_id":"{TRACE}"'.encode() in data
    assert rest == []


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, "", [1, 2, 3]),
        ({"Last-Event-ID": "1"}, "", [2, 3]),
        ({}, "?after=2", [3]),
        ({"Last-Event-ID": "2"}, "?after=1", [3]),
        ({}, "?after=3", []),
    ],
)
async def test_a_client_that_comes_back_goes_on_where_it_was(
    client: httpx.AsyncClient,
    ledger: Ledger,
    headers: dict[str, str],
    query: str,
    expected: list[int],
) -> None:
    await a_run(ledger)
    three = (EventType.RUN_STARTED, EventType.PROGRESS, EventType.RUN_COMPLETED)
    await tell(ledger, RUN_ID, *three, status=RunStatus.COMPLETED)

    answer = await client.get(EVENTS + query, headers=headers)

    assert answer.status_code == 200
    assert ids_in(answer.content) == expected


async def test_a_browser_that_has_seen_the_end_is_told_to_stay_away(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)

    answer = await client.get(EVENTS, headers={"Last-Event-ID": "1"})

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("headers", [{"Last-Event-ID": "abc"}, {"Last-Event-ID": "-1"}])
async def test_a_malformed_last_event_id_is_400(
    client: httpx.AsyncClient, ledger: Ledger, headers: dict[str, str]
) -> None:
    await a_run(ledger)

    answer = await client.get(EVENTS, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_the_events_of_an_unknown_run_are_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(EVENTS)

    assert (answer.status_code, answer.json()["code"]) == (404, "record_not_found")
