"""What jobs have measured, and what became of applications: the newest counts."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from data.contracts.base import Contract
from data.metrics import OUTBOX_SIZE, PSI
from flows.runtime.ledger import decisions, measurements, outcomes
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.outcomes import Observed
from tests.flows.runtime.entries import a_run


async def test_the_values_of_a_metric_are_replaced_together(any_ledger: Ledger) -> None:
    def values(connection: sa.Connection) -> dict[tuple[str, ...], float]:
        return dict(measurements.last(connection, PSI))

    await any_ledger.write(measurements.replace, PSI, {("a",): 0.1, ("b",): 0.2})
    await any_ledger.write(measurements.replace, OUTBOX_SIZE, {(): 3.0})
    assert await any_ledger.read(values) == {("a",): 0.1, ("b",): 0.2}

    await any_ledger.write(measurements.replace, PSI, {("b",): 0.3})
    assert await any_ledger.read(values) == {("b",): 0.3}
    await any_ledger.write(measurements.replace, PSI, {})
    assert await any_ledger.read(values) == {}


async def test_a_stored_outcome_takes_the_place_of_the_last_one(any_ledger: Ledger) -> None:
    first = Observed("a", "good", "2026-11-01", 0.25)
    unforeseen = Observed("b", "bad", "2026-11-01", None)
    await any_ledger.write(outcomes.store, [first, unforeseen])
    later = Observed("a", "bad", "2026-11-02", 0.25)
    await any_ledger.write(outcomes.store, [later])
    await any_ledger.write(outcomes.store, [])

    assert await any_ledger.read(outcomes.known, ["a", "b", "c"]) == {"a": later, "b": unforeseen}
    pairs = await any_ledger.read(lambda connection: list(outcomes.forecasts(connection)))
    assert pairs == [(0.25, "bad")]


async def test_decisions_of_a_period_are_counted_and_read_in_parts(any_ledger: Ledger) -> None:
    class Content(Contract):
        outcome: str = "approve"
        pd: str = "0.5"

    await a_run(any_ledger, "run-1")
    await any_ledger.write(decisions.enter, "run-1", Content())
    days = datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)

    assert await any_ledger.read(decisions.count_between, *days) == 1
    assert await any_ledger.read(decisions.count_between, days[1], days[1]) == 0
    found = await any_ledger.read(
        lambda connection: list(decisions.parts(connection, ("pd", "absent"), *days))
    )
    assert found == [("run-1", {"pd": "0.5", "absent": None})]
