"""Smoke: the desk names every error and goes on with the next application."""

from __future__ import annotations

import json

import httpx

from data.contracts.decision import Outcome
from data.contracts.events import EventStatus, EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk


async def asked_for(desk: Desk, application_id: str) -> httpx.Response:
    return await desk.http.post("/runs", json={"application_id": application_id})


def told(answer: httpx.Response) -> str:
    """The problem's code; the answer is of the media type for problems and has no secrets."""
    assert answer.headers["content-type"] == "application/problem+json"
    code: str = answer.json()["code"]
    return code


async def test_an_unknown_application_is_not_found(desk: Desk) -> None:
    answer = await asked_for(desk, "nobody-at-all")

    assert answer.status_code == 404
    assert told(answer) == "record_not_found"
    assert "nobody-at-all" in answer.json()["detail"]


async def test_an_unknown_run_is_not_found(desk: Desk) -> None:
    missing = "00000000-0000-4000-8000-000000000000"

    for place in ("", "/events", "/state", "/decision", "/hitl"):
        answer = await desk.http.get(f"/runs/{missing}{place}")
        assert answer.status_code == 404, place


async def test_a_file_that_is_no_json_is_named(desk: Desk) -> None:
    (desk.data_dir / "synthetic" / "cut-off.json").write_text('{"application": {"applic')

    answer = await asked_for(desk, "cut-off")

    assert answer.status_code >= 400
    assert told(answer) == "record_corrupt"
    assert "cut-off.json" in answer.json()["detail"]


async def test_a_file_with_a_wrong_field_is_named_with_the_field(desk: Desk) -> None:
    folder = desk.data_dir / "synthetic"
    content = json.loads((folder / "ada-prime.json").read_text())
    content["application"]["amount_requested"] = "a secret amount"
    (folder / "wrong-amount.json").write_text(json.dumps(content))

    answer = await asked_for(desk, "wrong-amount")

    detail = answer.json()["detail"]
    assert told(answer) == "record_corrupt"
    assert "wrong-amount.json" in detail
    assert "/application/amount_requested" in detail
    assert "a secret amount" not in answer.text


async def test_a_way_out_of_the_folder_is_no_id(desk: Desk) -> None:
    answer = await asked_for(desk, "../policy/authority")

    assert answer.status_code == 422


async def test_a_run_that_fails_says_where_and_the_worker_goes_on(desk: Desk) -> None:
    failing = await desk.start("tim-timeout", fan_out_policy="fail_fast")
    next_one = await desk.start("ada-prime")

    events = await failing.events()
    summary = await failing.summary()

    assert events[-1].type is EventType.RUN_FAILED
    assert events[-1].status is EventStatus.ERROR
    assert summary.status is RunStatus.FAILED
    assert summary.error is not None
    assert summary.error.stage == "bureau"
    assert summary.error.tool
    assert summary.error.agent == "credit_risk.bureau"
    assert (await next_one.decision()).outcome is Outcome.APPROVE


async def test_a_failed_run_can_be_resumed_and_keeps_what_it_knew(desk: Desk) -> None:
    run = await desk.start("tim-timeout", fan_out_policy="fail_fast")
    before = await run.events()

    resumed = await desk.http.post(f"{run.url}/resume", json={})
    run.seen = list(before)
    await run.until(EventType.RUN_FAILED)

    assert resumed.status_code == 202
    after = [event.type for event in run.seen[len(before) :]]
    assert EventType.RUN_RESUMED in after
    stages = [event.phase for event in run.seen if event.type is EventType.STAGE_STARTED]
    assert stages.count("doc_intake") == stages.count("verification") == 1


async def test_a_decision_bundle_that_is_not_in_force_is_refused_and_not_ignored(
    desk: Desk,
) -> None:
    options = {"as": "ada-old", "bundle": "2001-01-01"}

    answer = await desk.http.post("/runs", json={"application_id": "ada-prime", "options": options})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/options/bundle"
