"""The drift report: two periods of decisions side by side, and calibration of what has matured."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from data.contracts.drift import DriftReport, DriftTerms, OutcomesImported
from data.contracts.errors import ContractViolationError, Problem
from data.metrics import PSI
from flows.decided import Facts, facts_of_period, forecasts_of
from flows.runtime.ledger import measurements, outcomes
from flows.runtime.ledger.outcomes import Observed
from tools.modelling.calibration import calibration_of
from tools.modelling.drift import drifts
from tools.modelling.outcomes_file import BAD, ReportedOutcome

_CURRENT = timedelta(days=30)
_BASELINE = timedelta(days=90)
_TOGETHER = 500


class Periods(NamedTuple):
    """The baseline and the current period. `until` is the first day after each."""

    baseline_since: date
    baseline_until: date
    since: date
    until: date

    @classmethod
    def of(
        cls,
        since: date | None = None,
        until: date | None = None,
        baseline_since: date | None = None,
        baseline_until: date | None = None,
    ) -> Periods:
        """The given days; otherwise the last 30 days, and the 90 days before them.

        Raises ContractViolationError when a period has no day.
        """
        until = until or datetime.now(UTC).date() + timedelta(days=1)
        since = since or until - _CURRENT
        baseline_until = baseline_until or since
        baseline_since = baseline_since or baseline_until - _BASELINE
        for name, first, last in (
            ("since", since, until),
            ("baseline-since", baseline_since, baseline_until),
        ):
            if first >= last:
                problem = Problem(f"/{name}", "period_empty", "must lie before its end")
                raise ContractViolationError(f"--{name} must lie before its end", [problem])
        return cls(baseline_since, baseline_until, since, until)


def drift_report(connection: sa.Connection, periods: Periods, terms: DriftTerms) -> DriftReport:
    """Compare the decisions of two periods, and forecasts with the outcomes that are known."""
    before, baseline = facts_of_period(connection, periods.baseline_since, periods.baseline_until)
    after, current = facts_of_period(connection, periods.since, periods.until)
    unknown: Facts = {name: [None] * after.decisions for name in baseline}
    matured = [(pd, outcome == BAD) for pd, outcome in outcomes.forecasts(connection)]
    return DriftReport(
        terms=terms,
        baseline=before,
        current=after,
        attributes=drifts(baseline, unknown | current, terms),
        calibration=calibration_of(matured, terms),
    )


def measure(connection: sa.Connection, report: DriftReport) -> None:
    """Give the metric the values of a report. Without decisions in a period it has none."""
    values: dict[measurements.Labels, float] = {}
    if report.baseline.decisions and report.current.decisions:
        values = {(found.attribute,): found.value for found in report.attributes}
    measurements.replace(connection, PSI, values)


def import_outcomes(connection: sa.Connection, reported: list[ReportedOutcome]) -> OutcomesImported:
    """Store what became of applications that this desk has decided. The newest report counts."""
    counts = dict.fromkeys(("new", "replaced", "unchanged", "undecided", "without_forecast"), 0)
    for first in range(0, len(reported), _TOGETHER):
        portion = reported[first : first + _TOGETHER]
        names = [found.application_id for found in portion]
        known, forecasts = outcomes.known(connection, names), forecasts_of(connection, names)
        stored = []
        for found in portion:
            outcome = _standing(found, known.get(found.application_id), forecasts)
            counts[outcome] += 1
            if outcome in {"new", "replaced"}:
                forecast = forecasts[found.application_id]
                counts["without_forecast"] += forecast is None
                day = found.observed_on.isoformat()
                stored.append(Observed(found.application_id, found.outcome, day, forecast))
        outcomes.store(connection, stored)
    return OutcomesImported(rows=len(reported), **counts)


def _standing(
    found: ReportedOutcome, before: Observed | None, forecasts: dict[str, float | None]
) -> str:
    if found.application_id not in forecasts:
        return "undecided"
    if before is None:
        return "new"
    is_newer = found.observed_on.isoformat() > before.observed_on
    is_correction = found.observed_on.isoformat() == before.observed_on
    is_other = found.outcome != before.outcome
    return "replaced" if is_newer or (is_correction and is_other) else "unchanged"
