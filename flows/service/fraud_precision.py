"""How often signs of fraud were fraud, by what underwriters found when they checked them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa

from data.contracts.agreement import FraudPrecisionReport, Precision
from data.contracts.decision import FraudOutcome
from data.contracts.findings import FraudFinding
from data.contracts.underwriting import Underwriting
from data.rounding import four_places
from flows.runtime.ledger import runs
from flows.runtime.ledger.runs import Run
from flows.service.agreement import Period, Ruled, ruled_in


class _Checked(NamedTuple):
    """A case whose signs an underwriter has checked, and the signs."""

    is_fraud: bool
    finding: FraudFinding


def report(connection: sa.Connection, period: Period) -> FraudPrecisionReport:
    """The precision of the signs that underwriters checked in the cases of a period."""
    labels = {case.run_id: _label_of(case) for case in ruled_in(connection, period)}
    checked = runs.find_all(connection, [run_id for run_id, label in labels.items() if label])
    cases = [
        _Checked(labels[run_id] is FraudOutcome.CONFIRMED, finding)
        for run_id, run in checked.items()
        if (finding := _finding_of(run)) is not None
    ]
    return FraudPrecisionReport(
        since=period.since,
        until=period.until,
        total=_precision("total", [case.is_fraud for case in cases]),
        bands=_by_name(cases, lambda finding: [finding.band.value]),
        signals=_by_name(cases, lambda finding: [signal.code for signal in finding.signals]),
    )


def _label_of(case: Ruled) -> FraudOutcome | None:
    """The last word of an underwriter about the signs; None where none were checked."""
    given = [ruling.fraud_outcome for ruling in case.rulings if ruling.fraud_outcome is not None]
    return given[-1] if given else None


def _finding_of(run: Run) -> FraudFinding | None:
    verification = Underwriting.model_validate(run.state).verification
    return verification.fraud if verification else None


def _by_name(
    cases: Iterable[_Checked], names_of: Callable[[FraudFinding], Iterable[str]]
) -> tuple[Precision, ...]:
    """A line for each name, those with the most checked cases first."""
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for case in cases:
        for name in names_of(case.finding):
            found[name].append(case.is_fraud)
    ranked = sorted(found.items(), key=lambda line: (-len(line[1]), line[0]))
    return tuple(_precision(name, labels) for name, labels in ranked)


def _precision(name: str, labels: list[bool]) -> Precision:
    confirmed = sum(labels)
    return Precision(
        name=name,
        confirmed=confirmed,
        false_positives=len(labels) - confirmed,
        precision=four_places(Decimal(confirmed) / len(labels)) if labels else None,
    )
