"""Gauges: how many there are, how long the oldest waits, and by which indexes that is found."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.events import EventType
from data.contracts.review import Person, ReviewRequest, Role
from data.contracts.runs import RunStatus
from data.metrics import (
    CANARY_CASES,
    CANARY_SHARE,
    CANARY_STATE,
    HITL_OPEN,
    HITL_OPEN_AGE,
    OUTBOX_AGE,
    OUTBOX_SIZE,
    QUEUE_AGE,
    RUNS,
)
from flows.runtime.ledger import canaries, gauges, journal, leases, outbox, reviews, runs, tables
from flows.runtime.ledger.bundles import BundleRow
from flows.runtime.ledger.database import Ledger, moment
from tests.flows.runtime.entries import a_run, draft

Values = dict[tuple[str, tuple[str, ...]], float]


async def values(ledger: Ledger) -> Values:
    found = await ledger.read(gauges.gauges)
    return {(gauge.metric.name, gauge.labels): gauge.value for gauge in found}


async def aged(ledger: Ledger, column: sa.Column[Any], seconds: float) -> None:
    """Set a time of every row of a table back."""
    older = sa.update(column.table).values({column: moment(-seconds)})
    await ledger.write(lambda connection: connection.execute(older))


async def ask(ledger: Ledger, run_id: str, gate: str) -> None:
    request = ReviewRequest(role=Role.UNDERWRITER, title="t", summary="s")
    await ledger.write(reviews.ask, run_id, gate, 1, request)


async def test_an_empty_desk_says_nought(any_ledger: Ledger) -> None:
    expected: Values = {
        (name, ()): 0 for name in (QUEUE_AGE.name, OUTBOX_SIZE.name, OUTBOX_AGE.name)
    }
    expected |= {(RUNS.name, (status,)): 0 for status in ("queued", "running", "waiting")}

    assert await values(any_ledger) == expected


async def test_runs_are_counted_by_status_and_ended_ones_are_not(any_ledger: Ledger) -> None:
    for number, status in enumerate(
        [RunStatus.QUEUED] * 3 + [RunStatus.WAITING] * 2 + [RunStatus.COMPLETED, RunStatus.FAILED]
    ):
        await a_run(any_ledger, f"run-{number}", status=status)
    await any_ledger.write(leases.acquire_lease, "run-0", "host:1:worker:now", 60)

    found = await values(any_ledger)

    counted = {labels: value for (name, labels), value in found.items() if name == RUNS.name}
    assert counted == {("queued",): 2, ("running",): 1, ("waiting",): 2}


async def test_the_queue_is_as_old_as_the_run_that_was_queued_first(any_ledger: Ledger) -> None:
    await a_run(any_ledger, "first")
    await aged(any_ledger, tables.runs.c.updated_at, 90)
    await a_run(any_ledger, "second")
    assert (await values(any_ledger))[QUEUE_AGE.name, ()] == pytest.approx(90, abs=5)

    await any_ledger.write(leases.acquire_lease, "first", "host:1:worker:now", 60)

    assert (await values(any_ledger))[QUEUE_AGE.name, ()] == pytest.approx(0, abs=5)


async def test_a_run_that_waited_days_for_a_person_has_not_been_queued_for_days(
    any_ledger: Ledger,
) -> None:
    await a_run(any_ledger, "old", created_at=moment(-86_400))
    epoch = await any_ledger.write(leases.acquire_lease, "old", "host:1:worker:now", 60)
    assert epoch == 1
    await any_ledger.write(leases.release_lease, "old", epoch)

    assert (await any_ledger.read(runs.find, "old")).status is RunStatus.QUEUED
    assert (await values(any_ledger))[QUEUE_AGE.name, ()] < 60


async def test_open_requests_are_counted_by_gate_with_the_age_of_the_oldest(
    any_ledger: Ledger,
) -> None:
    await ask(any_ledger, "run-1", "manager")
    await aged(any_ledger, tables.reviews.c.opened_at, 3_600)
    for run_id, gate in (("run-2", "manager"), ("run-3", "board"), ("run-4", "board")):
        await ask(any_ledger, run_id, gate)
    await any_ledger.write(reviews.close, "run-4")

    found = await values(any_ledger)

    assert (found[HITL_OPEN.name, ("manager",)], found[HITL_OPEN.name, ("board",)]) == (2, 1)
    assert found[HITL_OPEN_AGE.name, ("manager",)] == pytest.approx(3_600, abs=5)
    assert found[HITL_OPEN_AGE.name, ("board",)] == pytest.approx(0, abs=5)


async def test_the_outbox_is_as_old_as_its_first_notification(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    waiting = [draft(key, type=EventType.WAITING) for key in ("a", "b")]
    await any_ledger.write(journal.append, "run-1", waiting)
    await aged(any_ledger, tables.outbox.c.created_at, 700)

    found = await values(any_ledger)
    assert found[OUTBOX_SIZE.name, ()] == 2
    assert found[OUTBOX_AGE.name, ()] == pytest.approx(700, abs=5)

    await any_ledger.write(outbox.discard_all)
    assert (await values(any_ledger))[OUTBOX_AGE.name, ()] == 0


async def test_no_query_reads_a_large_table_from_end_to_end(any_ledger: Ledger) -> None:
    """Indexes that begin with the status lead past ended runs and settled requests."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, text: str, values: Any, _context: Any, _many: Any) -> None:
        asked.append((text, values))

    sa.event.listen(any_ledger.engine, "before_cursor_execute", note)
    await any_ledger.read(gauges.gauges)
    sa.event.remove(any_ledger.engine, "before_cursor_execute", note)

    def plans(connection: sa.Connection) -> str:
        explain = "explain query plan" if any_ledger.is_sqlite else "explain"
        if not any_ledger.is_sqlite:  # which prefers to read the tables of a test whole
            connection.exec_driver_sql("set local enable_seqscan = off")
        queries = [(text, values) for text, values in asked if text.lower().startswith("select")]
        return "\n".join(
            str(row)
            for text, values in queries
            for row in connection.exec_driver_sql(f"{explain} {text}", values)
        )

    plan = await any_ledger.read(plans)

    assert (plan.count("ix_runs_by_status"), plan.count("ix_reviews_by_due")) == (2, 1), plan


async def a_canary(ledger: Ledger, mode: str, **arms: int) -> str:
    bundle = BundleRow("autumn", {}, "b" * 64, "1", "Olga", "", moment(0))
    terms: dict[str, Any] = {"mode": mode, "share": 0.25, "evidence": {}, "by": Person(name="Olga")}
    started = await ledger.write(canaries.start, bundle, "a" * 64, **terms)
    cases = [
        canaries.CaseRow(started.canary_id, f"{arm}-{number}", arm)
        for arm, count in arms.items()
        for number in range(count)
    ]
    await ledger.write(canaries.enter, cases)
    return started.canary_id


async def told_of(ledger: Ledger) -> Values:
    """The gauges of canaries."""
    names = {CANARY_SHARE.name, CANARY_CASES.name, CANARY_STATE.name}
    found = await values(ledger)
    return {key: value for key, value in found.items() if key[0] in names}


async def test_a_running_canary_shows_its_share_and_the_cases_of_each_arm(
    any_ledger: Ledger,
) -> None:
    name = await a_canary(any_ledger, canaries.LIVE, champion=3)

    assert await told_of(any_ledger) == {
        (CANARY_SHARE.name, (name,)): 0.25,
        (CANARY_STATE.name, (name, "running")): 1,
        (CANARY_STATE.name, (name, "promoted")): 0,
        (CANARY_STATE.name, (name, "stopped")): 0,
        (CANARY_CASES.name, (name, "champion")): 3,
        (CANARY_CASES.name, (name, "challenger")): 0,
    }


async def test_a_canary_that_has_ended_shows_its_state_until_the_next_one(
    any_ledger: Ledger,
) -> None:
    ended = await a_canary(any_ledger, canaries.LIVE, challenger=2)
    await any_ledger.write(canaries.end, ended, canaries.STOPPED, canaries.SYSTEM)

    assert await told_of(any_ledger) == {
        (CANARY_SHARE.name, (ended,)): 0,
        (CANARY_STATE.name, (ended, "running")): 0,
        (CANARY_STATE.name, (ended, "promoted")): 0,
        (CANARY_STATE.name, (ended, "stopped")): 1,
    }

    following = await a_canary(any_ledger, canaries.SHADOW, shadow=1)

    found = await told_of(any_ledger)
    assert {labels[0] for _, labels in found} == {following}
    assert found[CANARY_CASES.name, (following, "shadow")] == 1
