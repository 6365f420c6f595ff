"""Prefect's database is lost under runs in each phase; the desk goes on from the ledger alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk
from tests.faults.load import Case

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Runs:
    """The runs at the moment of the loss, each in another phase."""

    queued: Case
    under_way: Case
    waiting: Case
    answered: Case
    """Its answer was accepted, and no worker had taken it up."""
    flow_run_id: str
    """The flow run of the waiting run before the loss."""


@pytest.fixture(scope="module")
async def runs(faulty_desk: FaultyDesk) -> AsyncIterator[Runs]:
    """Runs in each phase, after Prefect's database was lost and the desk is ready again."""
    waiting, answered = await until_waiting(faulty_desk), await until_waiting(faulty_desk)
    flow_run_id = faulty_desk.flow_run_ids()[waiting.run_id]
    under_way = await held_runs.start_held(faulty_desk)
    worker = faulty_desk.role("worker")
    worker.suspend()
    try:
        queued = await held_runs.start(faulty_desk)
        await approve(faulty_desk, answered)
        await faulty_desk.lose_prefect()
    finally:
        worker.resume()
    await faulty_desk.ready()
    yield Runs(queued, under_way, waiting, answered, flow_run_id)
    # A test that failed, or was left out, leaves its run to no other test of this desk.
    (faulty_desk.faults / f"hold-{under_way.application_id}").unlink(missing_ok=True)
    for case in (queued, under_way, waiting, answered):
        await faulty_desk.http.post(f"/runs/{case.run_id}/cancel")
    await invariants.until_settled(faulty_desk)


async def until_waiting(faulty_desk: FaultyDesk) -> Case:
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


async def test_a_queued_run_is_made_again_in_prefect_and_decided(
    faulty_desk: FaultyDesk, runs: Runs
) -> None:
    await held_runs.until_ended(faulty_desk, runs.queued)

    invariants.require_whole_journal(faulty_desk, runs.queued)


async def test_a_run_under_way_goes_on_from_its_last_checkpoint(
    faulty_desk: FaultyDesk, runs: Runs
) -> None:
    held_runs.let_go(faulty_desk, runs.under_way)

    await held_runs.until_ended(faulty_desk, runs.under_way)
    invariants.require_whole_journal(faulty_desk, runs.under_way)


async def test_a_waiting_run_is_answered_afterwards_and_decided(
    faulty_desk: FaultyDesk, runs: Runs
) -> None:
    inbox = (await faulty_desk.http.get("/inbox")).json()
    await approve(faulty_desk, runs.waiting)

    assert runs.waiting.run_id in {item["run_id"] for item in inbox["items"]}
    await held_runs.until_ended(faulty_desk, runs.waiting)
    assert faulty_desk.flow_run_ids()[runs.waiting.run_id] != runs.flow_run_id
    invariants.require_whole_journal(faulty_desk, runs.waiting)


async def test_an_answer_that_was_accepted_is_not_lost(faulty_desk: FaultyDesk, runs: Runs) -> None:
    await held_runs.until_ended(faulty_desk, runs.answered)

    invariants.require_whole_journal(faulty_desk, runs.answered)
