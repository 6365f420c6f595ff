"""Drift of the decisions in a ledger, by runs and by batches, and outcomes beside forecasts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import sqlalchemy as sa

from data.contracts.drift import DriftLevel, DriftReport, DriftTerms, OutcomesImported
from data.metrics import PSI
from flows.decided import facts_of_period, forecasts_of
from flows.drift_report import Periods, drift_report, import_outcomes, measure
from flows.runtime.ledger import gauges, outcomes
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import batch_chunks, decisions
from tests.flows.decided_cases import decided
from tests.flows.inline import persona
from tests.flows.portfolio.portfolios import cases, done, write_portfolio
from tools.modelling.drift_page import drift_page
from tools.modelling.outcomes_file import ReportedOutcome

OCTOBER, NOVEMBER = "2026-10-10T12:00:00+00:00", "2026-11-10T12:00:00+00:00"
PERIODS = Periods.of(date(2026, 11, 1), date(2026, 12, 1), baseline_since=date(2026, 10, 1))
EAGER = DriftTerms(min_n=1)


async def reported(ledger: Ledger, terms: DriftTerms = EAGER) -> DriftReport:
    return await ledger.read(drift_report, PERIODS, terms)


def imported(ledger: Ledger, *rows: tuple[str, str, str]) -> OutcomesImported:
    outcomes_of_rows = [
        ReportedOutcome(name, outcome, date.fromisoformat(day)) for name, outcome, day in rows
    ]
    with ledger.writing() as connection:
        return import_outcomes(connection, outcomes_of_rows)


async def test_facts_and_score_of_two_months_are_compared(ledger: Ledger) -> None:
    for _ in range(3):
        await decided(ledger, persona("ada-prime"), on=OCTOBER)
    await decided(ledger, persona("ada-prime"), on=NOVEMBER)
    await decided(ledger, persona("dee-debtor"), on=NOVEMBER)

    report = await reported(ledger)

    drift = {found.attribute: found for found in report.attributes}
    assert (report.baseline.decisions, report.current.decisions) == (3, 2)
    assert report.attributes[0].attribute == "pd"
    assert {"dti_after", "bureau_score", "state", "grade"} <= drift.keys()
    assert drift["product"].value == 0
    assert drift["dti_after"].level is DriftLevel.ACT
    assert "# Drift" in drift_page(report)
    judged = await reported(ledger, DriftTerms())
    assert {found.level for found in judged.attributes} == {DriftLevel.NOT_JUDGED}


async def test_of_many_decisions_a_part_is_drawn_and_the_report_says_so(ledger: Ledger) -> None:
    for name in ("ada-prime", "dee-debtor", "bella-bankrupt", "minnie-minor"):
        await decided(ledger, cases("drawn", name)[0], on=NOVEMBER)

    with ledger.reading() as connection:
        days = PERIODS.since, PERIODS.until
        period, facts = facts_of_period(connection, *days, most=1)
        again = facts_of_period(connection, *days, most=1)

    assert period.share == 0.25
    assert period.decisions == 2, "the digests of two begin below 0.25"
    assert all(len(values) == period.decisions for values in facts.values())
    assert again == (period, facts)


def test_decisions_of_a_batch_count_as_those_of_runs(ledger: Ledger, tmp_path: Path) -> None:
    rows = cases("batch", "ada-prime", "dee-debtor", "bora-borderline")
    batch = done(ledger, write_portfolio(tmp_path / "rows.jsonl", rows))
    with ledger.writing() as connection:
        at = "2026-11-10T12:00:00.000000Z"
        connection.execute(sa.update(batch_chunks).values(written_at=at))
        connection.execute(sa.update(decisions).values(decided_at=at))

    with ledger.reading() as connection:
        period, facts = facts_of_period(connection, PERIODS.since, PERIODS.until)
        names = ["batch-ada-prime", "batch-dee-debtor", "batch-bora-borderline", "other"]
        forecasts = forecasts_of(connection, names)

    assert period.decisions == 2, "a referred case is not decided yet"
    assert forecasts.keys() == {"batch-ada-prime", "batch-dee-debtor"}
    assert sorted(facts["pd"], key=str) == sorted(forecasts.values(), key=str)
    assert batch.batch_id


async def test_outcomes_are_stored_with_their_forecast_and_the_newest_counts(
    ledger: Ledger,
) -> None:
    loan = await decided(ledger, persona("ada-prime"))
    early = await decided(ledger, persona("minnie-minor"))

    first = imported(
        ledger,
        (loan, "good", "2026-11-20"),
        (early, "good", "2026-11-20"),
        ("unknown", "bad", "2026-11-20"),
    )
    again = imported(ledger, (loan, "good", "2026-11-20"))
    older = imported(ledger, (loan, "bad", "2026-11-19"))
    newer = imported(ledger, (loan, "bad", "2026-11-21"))

    assert (first.new, first.undecided, first.without_forecast) == (2, 1, 1)
    assert (again.unchanged, older.unchanged, newer.replaced) == (1, 1, 1)
    with ledger.reading() as connection:
        [(forecast, outcome)] = outcomes.forecasts(connection)
        assert outcome == "bad"
        assert forecast == forecasts_of(connection, [loan])[loan]
    calibration = (await reported(ledger)).calibration
    assert (calibration.n, calibration.bad) == (1, 1)
    assert calibration.expected_bad == forecast


async def test_the_metric_has_the_values_of_the_last_report(ledger: Ledger) -> None:
    await decided(ledger, persona("ada-prime"), on=OCTOBER)
    await decided(ledger, persona("dee-debtor"), on=NOVEMBER)
    report = await reported(ledger)
    await ledger.write(measure, report)

    def shown(connection: sa.Connection) -> dict[str, float]:
        return {
            gauge.labels[0]: gauge.value
            for gauge in gauges.gauges(connection)
            if gauge.metric is PSI
        }

    assert await ledger.read(shown) == {found.attribute: found.value for found in report.attributes}
    later = Periods.of(date(2027, 1, 1), date(2027, 2, 1))
    await ledger.write(measure, await ledger.read(drift_report, later, EAGER))
    assert await ledger.read(shown) == {}
