"""Late, repeated and simultaneous answers: the first valid one counts."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import httpx

from data.contracts.decision import Outcome
from data.contracts.runs import RunStatus
from tests.desk import Desk
from tests.flows.waiting_runs import at_gate, everything


async def test_a_second_answer_is_409_while_the_run_goes_on_and_after_its_end(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    assert (await run.answer(gate="underwriter", decision="approve")).status_code == 202

    at_once = await run.answer(gate="underwriter", decision="decline", reason_code="R09")
    decided = await run.decision()
    before = await everything(run)
    after_the_end = await run.answer(gate="underwriter", decision="decline", reason_code="R09")

    assert await everything(run) == before
    assert (at_once.status_code, after_the_end.status_code) == (409, 409)
    assert decided.outcome is Outcome.APPROVE
    assert (await run.summary()).status is RunStatus.COMPLETED


async def test_a_late_answer_is_410(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    with closing(sqlite3.connect(desk.home / "ledger.db", timeout=30)) as ledger, ledger:
        ledger.execute(
            "update reviews set due_at = '2026-01-01T00:00:00.000000Z' where run_id = ?",
            (run.run_id,),
        )

    late = await run.answer(gate="underwriter", decision="approve")

    assert (late.status_code, late.json()["code"]) == (410, "review_expired")
    decision = await run.decision()
    assert decision.outcome is Outcome.DECLINE
    assert [ruling.reviewer for ruling in decision.rulings] == ["system"]


async def test_a_run_that_was_cancelled_takes_no_answer(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    assert (await desk.http.post(f"{run.url}/cancel")).status_code == 202
    await run.events()
    before = await everything(run)

    late = await run.answer(gate="underwriter", decision="approve")

    assert late.status_code == 409
    assert await everything(run) == before


async def test_of_two_answers_at_once_one_wins(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")

    answers = await asyncio.gather(
        run.answer(gate="underwriter", decision="approve", reviewer="one"),
        run.answer(gate="underwriter", decision="decline", reason_code="R09", reviewer="other"),
    )

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    winner = ["one", "other"][[answer.status_code for answer in answers].index(202)]
    assert [ruling.reviewer for ruling in (await run.decision()).rulings] == [winner]


async def test_the_same_answer_twice_under_one_key_is_harmless(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    body = {
        "gate": "underwriter",
        "decision": "approve",
        "reviewer": "underwriter-1",
        "reason": "seen and considered",
    }

    async def give() -> httpx.Response:
        return await desk.http.post(
            f"{run.url}/hitl", json=body, headers={"Idempotency-Key": run.run_id}
        )

    given = await asyncio.gather(give(), give())
    await run.events()

    assert [answer.status_code for answer in [*given, await give()]] == [202, 202, 202]
    assert len((await run.decision()).rulings) == 1
