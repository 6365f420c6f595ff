"""Smoke: an application that waits for a person, however many processes die meanwhile."""

from __future__ import annotations

from data.contracts.decision import Outcome
from data.contracts.events import EventStatus, EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk, StartedRun


async def waiting(desk: Desk) -> StartedRun:
    """A borderline application that has come to the underwriter's gate."""
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    await run.until(RunStatus.WAITING)
    return run


async def test_a_borderline_application_waits_for_an_underwriter(desk: Desk) -> None:
    run = await desk.start("bora-borderline")

    question = await run.until(EventType.WAITING)
    await run.answer(decision="approve", reviewer="underwriter-1", reason="long tenure")

    assert question.phase == "review"
    assert question.status is EventStatus.WAITING
    assert question.meta["gate"] == "underwriter"
    assert (await run.decision()).outcome is Outcome.APPROVE


async def test_a_waiting_run_says_what_it_needs_and_from_whom(desk: Desk) -> None:
    run = await waiting(desk)

    summary = await run.summary()
    asked = (await desk.http.get(f"{run.url}/hitl")).json()

    assert summary.waiting_for is not None
    assert (summary.waiting_for.gate, summary.waiting_for.role) == ("underwriter", "underwriter")
    assert summary.decision == {"recommendation": "refer"}
    assert summary.progress < 1
    assert asked["review"]["request"]["facts"]["amount"] == "12000.00"
    assert "decision" in asked["schema"]["required"]


async def test_a_document_that_intake_has_not_read_does_not_change_the_decision(desk: Desk) -> None:
    quiet, run = await waiting(desk), await waiting(desk)
    document = {"document_id": "unasked", "kind": "bank_statement", "content_base64": "e30="}

    filed = await desk.http.post(f"/applications/{run.application_id}/documents", json=document)
    for waiting_run in (quiet, run):
        await waiting_run.answer(decision="approve")

    assert filed.status_code == 201
    assert await run.decision() == await quiet.decision()


async def test_a_decline_names_the_reason_that_was_given(desk: Desk) -> None:
    run = await waiting(desk)

    answered = await run.answer(decision="decline", reason_code="R09")
    decision = await run.decision()

    assert answered.status_code == 202
    assert decision.outcome is Outcome.DECLINE
    assert [(ruling.gate, ruling.decision) for ruling in decision.rulings] == [
        ("underwriter", "decline")
    ]


async def test_an_answer_that_cannot_count_changes_nothing(desk: Desk) -> None:
    run = await waiting(desk)

    refused = await run.answer(decision="adjust", amount=900_000)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].endswith("amount")
    assert (await run.summary()).status is RunStatus.WAITING
    assert (await run.answer(decision="approve")).status_code == 202
    assert (await run.decision()).outcome is Outcome.APPROVE


async def test_a_second_answer_comes_too_late(desk: Desk) -> None:
    run = await waiting(desk)
    await run.answer(gate="underwriter", decision="approve")

    second = await run.answer(gate="underwriter", decision="decline", reason_code="R09")

    assert second.status_code == 409
    assert (await run.decision()).outcome is Outcome.APPROVE


async def test_a_waiting_run_survives_the_death_of_every_process(desk: Desk) -> None:
    run = await waiting(desk)
    before = list(run.seen)

    await desk.kill("worker", "api", "server")

    await run.until(RunStatus.WAITING)
    answered = await run.answer(decision="approve")
    assert answered.status_code == 202
    assert (await run.decision()).outcome is Outcome.APPROVE
    events = await run.events()
    assert events[: len(before)] == before
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events].count(EventType.WAITING) == 1
    assert len({event.trace_id for event in events}) == 1


async def test_a_run_goes_on_after_its_worker_was_killed_in_the_middle(desk: Desk) -> None:
    run = await desk.start("ada-prime")
    await run.until(EventType.CHECKPOINT_SAVED)

    await desk.kill("worker")

    events = await run.events()
    assert (await run.decision()).outcome is Outcome.APPROVE
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    completed = [event.phase for event in events if event.type is EventType.STAGE_COMPLETED]
    assert len(completed) == len(set(completed))
    assert events[-1].type is EventType.RUN_COMPLETED
