"""Prefect's database is lost in each phase of a run, and the desk goes on from the ledger alone."""

from __future__ import annotations

import pytest

from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk
from tests.faults.load import Case

pytestmark = pytest.mark.timeout(400)


async def waiting(faulty_desk: FaultyDesk) -> Case:
    case = await held_runs.start(faulty_desk, "bora-borderline")
    await held_runs.until(lambda: held_runs.status_of(faulty_desk, case) == "waiting")
    return case


async def approve(faulty_desk: FaultyDesk, case: Case) -> None:
    request = (await faulty_desk.http.get(f"/runs/{case.run_id}/hitl")).json()
    answer = await faulty_desk.http.post(
        f"/runs/{case.run_id}/hitl",
        json={
            "gate": "underwriter",
            "request_id": request["request_id"],
            "decision": "approve",
            "reviewer": "underwriter-1",
            "reason": "long tenure",
        },
    )
    assert answer.status_code == 202, answer.text


async def test_a_queued_run_is_made_again_in_prefect_and_decided(faulty_desk: FaultyDesk) -> None:
    worker = faulty_desk.role("worker")
    worker.suspend()
    try:
        case = await held_runs.start(faulty_desk)
        await faulty_desk.lose_prefect()
    finally:
        worker.resume()

    await held_runs.until_ended(faulty_desk, case)
    invariants.require_whole_journal(faulty_desk, case)


async def test_a_run_under_way_goes_on_from_its_last_checkpoint(faulty_desk: FaultyDesk) -> None:
    case = await held_runs.start_held(faulty_desk)

    await faulty_desk.lose_prefect()
    await faulty_desk.ready()
    held_runs.let_go(faulty_desk, case)

    await held_runs.until_ended(faulty_desk, case)
    invariants.require_whole_journal(faulty_desk, case)


async def test_a_waiting_run_is_answered_afterwards_and_decided(faulty_desk: FaultyDesk) -> None:
    case = await waiting(faulty_desk)
    before = faulty_desk.flow_run_ids()[case.run_id]

    await faulty_desk.lose_prefect()
    await faulty_desk.ready()
    inbox = (await faulty_desk.http.get("/inbox")).json()
    await approve(faulty_desk, case)

    assert case.run_id in {item["run_id"] for item in inbox["items"]}
    await held_runs.until_ended(faulty_desk, case)
    assert faulty_desk.flow_run_ids()[case.run_id] != before
    invariants.require_whole_journal(faulty_desk, case)


async def test_an_answer_that_was_accepted_is_not_lost(faulty_desk: FaultyDesk) -> None:
    case = await waiting(faulty_desk)
    worker = faulty_desk.role("worker")
    worker.suspend()
    try:
        await approve(faulty_desk, case)
        await faulty_desk.lose_prefect()
    finally:
        worker.resume()

    await held_runs.until_ended(faulty_desk, case)
    invariants.require_whole_journal(faulty_desk, case)
