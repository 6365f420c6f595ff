"""Runs over HTTP: start, read, follow, resume."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from pydantic_core import to_json

from data.contracts.errors import RecordNotFoundError
from data.contracts.events import EventType
from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from flows.runtime.ledger.database import Ledger
from flows.service.requests import Caller, ResumeRun, StartRun
from tests.api.desks import DECISION, RUN_ID, FakeDesk
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


async def test_without_keys_a_caller_has_every_role_and_no_proven_name(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await client.post("/runs", json={"application_id": "ada-prime"})

    request = StartRun(application_id="ada-prime")
    assert desk.asked == [(request, Caller("", tuple(Role), proven=False, channel=Channel.HTTP))]


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
    assert decision.content == to_json(DECISION)
    assert decision.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, ResumeRun()),
        ({}, ResumeRun()),
        (
            {"checkpoint": "verification/1", "overrides": {"amount": 9000}},
            ResumeRun(checkpoint="verification/1", overrides={"amount": 9000}),
        ),
    ],
)
async def test_a_run_is_resumed_with_or_without_a_body(
    client: httpx.AsyncClient, desk: FakeDesk, body: object, expected: ResumeRun
) -> None:
    answer = await client.post(f"/runs/{RUN_ID}/resume", json=body)

    assert answer.status_code == 202
    assert desk.asked[0][:2] == (RUN_ID, expected)


async def test_a_run_is_resumed_without_any_body_and_with_a_key(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.post(f"/runs/{RUN_ID}/resume", headers={"Idempotency-Key": "once"})

    assert answer.status_code == 202
    assert desk.asked[0][:2] == (RUN_ID, ResumeRun())
    assert desk.asked[0][3] == "once"
    assert answer.headers["location"] == f"/runs/{RUN_ID}"


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
        ({"Last-Event-ID": "0"}, "", [1, 2, 3]),
        ({"Last-Event-ID": ""}, "?after=2", [3]),
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

    by_header = await client.get(EVENTS, headers={"Last-Event-ID": "1"})
    by_query = await client.get(f"{EVENTS}?after=1")

    assert (by_header.status_code, by_header.content) == (204, b"")
    assert (by_query.status_code, by_query.content) == (204, b"")


@pytest.mark.parametrize(
    ("headers", "query", "pointer"),
    [
        ({"Last-Event-ID": "abc"}, "", "/header/last-event-id"),
        ({"Last-Event-ID": "-1"}, "?after=1", "/header/last-event-id"),
        ({}, "?after=1.0", "/query/after"),
    ],
)
async def test_a_malformed_last_event_id_is_400(
    client: httpx.AsyncClient, ledger: Ledger, headers: dict[str, str], query: str, pointer: str
) -> None:
    await a_run(ledger)

    answer = await client.get(EVENTS + query, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert [found["pointer"] for found in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.COMPLETED])
@pytest.mark.parametrize(("headers", "query"), [({"Last-Event-ID": "2"}, ""), ({}, "?after=2")])
async def test_an_id_beyond_the_journal_is_400(
    client: httpx.AsyncClient,
    ledger: Ledger,
    headers: dict[str, str],
    query: str,
    status: RunStatus,
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.PROGRESS, status=status)

    answer = await client.get(EVENTS + query, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert answer.json()["detail"] == "the last event of this run has the id 1"


async def test_an_error_is_a_frame_of_another_name_with_its_own_type(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.ERROR, EventType.RUN_FAILED, status=RunStatus.FAILED)

    answer = await client.get(EVENTS)

    assert b"\nevent: run.error\n" in answer.content
    assert b"\nevent: error\n" not in answer.content
    assert b'"type":"error"' in answer.content


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("TEXT/Plain", "text/plain; charset=utf-8"),
        ("text/plain;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, text/plain", "text/plain; charset=utf-8"),
        ("application/json, text/plain", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
    ],
)
async def test_a_notice_has_the_form_that_the_caller_prefers(
    client: httpx.AsyncClient, accept: str, media_type: str
) -> None:
    answer = await client.get(f"/runs/{RUN_ID}/notice", headers={"Accept": accept})

    assert answer.headers["content-type"] == media_type


async def test_a_letter_as_a_page_may_use_its_own_styles_and_load_nothing(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get(f"/runs/{RUN_ID}/notice", headers={"Accept": "text/html"})

    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


async def test_each_applicant_has_a_letter_and_no_other_person_has(
    client: httpx.AsyncClient,
) -> None:
    notice = f"/runs/{RUN_ID}/notice"

    of_co = (await client.get(f"{notice}?applicant=co")).json()
    of_first = (await client.get(notice)).json()
    of_another = await client.get(f"{notice}?applicant=guarantor")

    assert (of_co["applicant"], of_first["applicant"]) == ("co", "primary")
    assert of_first["text"] == "Dear applicant"
    assert of_another.status_code == 422


async def test_the_events_of_an_unknown_run_are_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(EVENTS)

    assert (answer.status_code, answer.json()["code"]) == (404, "record_not_found")


async def test_a_decision_is_waited_for_until_the_run_has_ended(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await a_run(desk.ledger)
    await tell(desk.ledger, RUN_ID, EventType.RUN_STARTED, status=RunStatus.RUNNING)
    waits = asyncio.create_task(client.get(f"/runs/{RUN_ID}/decision?wait=10"))
    await asyncio.sleep(0.3)
    assert (waits.done(), desk.asked) == (False, [])

    await tell(desk.ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)

    assert (await waits).content == to_json(DECISION)


async def test_waiting_for_a_decision_ends_after_the_seconds_that_were_asked_for(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await a_run(desk.ledger)
    await tell(desk.ledger, RUN_ID, EventType.WAITING, status=RunStatus.WAITING)
    desk.error = RecordNotFoundError("the case is undecided")

    assert (await client.get(f"/runs/{RUN_ID}/decision?wait=0.2")).status_code == 404
    assert (await client.get(f"/runs/{RUN_ID}/decision?wait=99")).status_code == 422
