"""The workload with its workers, and the decisions of each day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from data.contracts.errors import ContractViolationError, UnavailableError
from data.contracts.operations import DecidedDay
from data.contracts.runs import RunStatus
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import decisions as rows
from flows.runtime.worker.jobs import worker_name
from flows.service.operations import OperationsDesk
from tests.flows.runtime.entries import a_claimed_run, a_decision, an_idle_run

BUSY, IDLE = worker_name("host:1:worker:now"), "worker-host-2-mark-now"


def _desk(ledger: Ledger, *names: str) -> OperationsDesk:
    async def heard_of() -> set[str]:
        return set(names)

    return OperationsDesk(ledger, heard_of)


async def test_the_workload_names_every_worker_with_what_it_executes(ledger: Ledger) -> None:
    await a_claimed_run(ledger, "run-1")
    for status in (RunStatus.QUEUED, RunStatus.QUEUED, RunStatus.WAITING, RunStatus.COMPLETED):
        await an_idle_run(ledger, status)

    found = await _desk(ledger, BUSY, IDLE).workload()

    assert found.runs == {
        RunStatus.QUEUED: 2,
        RunStatus.RUNNING: 1,
        RunStatus.WAITING: 1,
        RunStatus.FAILED: 0,
    }
    assert [(worker.name, worker.heard_of) for worker in found.workers] == [
        (BUSY, True),
        (IDLE, True),
    ]
    executed = [[run.run_id for run in worker.runs] for worker in found.workers]
    assert executed == [["run-1"], []]
    assert 0 < found.queued_seconds < 60


async def test_a_worker_that_holds_a_run_and_is_silent_is_named_as_silent(ledger: Ledger) -> None:
    await a_claimed_run(ledger, "run-1")

    found = await _desk(ledger, IDLE).workload()

    assert [(worker.name, worker.heard_of) for worker in found.workers] == [
        (BUSY, False),
        (IDLE, True),
    ]


async def test_without_prefect_the_ledger_still_names_who_executes_what(ledger: Ledger) -> None:
    async def is_away() -> set[str]:
        raise UnavailableError("the Prefect server did not answer")

    await a_claimed_run(ledger, "run-1")

    found = await OperationsDesk(ledger, is_away).workload()

    assert not found.prefect_answers
    assert [(worker.name, worker.heard_of) for worker in found.workers] == [(BUSY, None)]


async def test_every_day_of_a_period_is_there_and_a_day_that_is_over_is_counted_once(
    ledger: Ledger,
) -> None:
    await a_decision(ledger, "long-ago", "approve", datetime(2026, 1, 2, 12, tzinfo=UTC))
    desk = _desk(ledger)
    period = date(2026, 1, 1), date(2026, 1, 4)

    first = await desk.decision_days(*period)
    await ledger.write(lambda connection: connection.execute(rows.delete()).rowcount)
    second = await desk.decision_days(*period)

    days = {date(2026, 1, 1): {}, date(2026, 1, 2): {"approve": 1}, date(2026, 1, 3): {}}
    assert first.days == tuple(
        DecidedDay.model_validate({"day": day, "outcomes": outcomes})
        for day, outcomes in days.items()
    )
    assert (first.total, second) == (1, first)


async def test_a_decision_of_today_is_in_the_next_answer(ledger: Ledger) -> None:
    desk = _desk(ledger)
    assert (await desk.decision_days(None, None)).total == 0

    await a_decision(ledger, "now", "decline", datetime.now(UTC))

    found = await desk.decision_days(None, None)
    assert (found.total, len(found.days)) == (1, 30)


async def test_a_period_has_a_day_and_at_most_a_year(ledger: Ledger) -> None:
    today = date(2026, 11, 22)
    for since in (today, today - timedelta(days=367)):
        with pytest.raises(ContractViolationError):
            await _desk(ledger).decision_days(since, today)
