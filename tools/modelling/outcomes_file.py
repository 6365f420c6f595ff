"""Outcomes of loans from a CSV file: application_id, outcome (good or bad), date."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

from data.contracts.errors import ContractViolationError
from tools.modelling.csv_rows import csv_rows, refuse_twice

GOOD, BAD = "good", "bad"
_COLUMNS = ("application_id", "outcome", "date")


class ReportedOutcome(NamedTuple):
    """Whether a loan was good or bad, and the day that this was known."""

    application_id: str
    outcome: str
    observed_on: date


def read_outcomes(path: Path, today: date) -> list[ReportedOutcome]:
    """Every outcome of a file. Other columns are ignored.

    Raises ContractViolationError, with line and column, when the file cannot be read, names an
    application twice, has another outcome than good and bad, or a date that is none or to come.
    """
    found, lines = [], dict[str, int]()
    for line, row in csv_rows(path, _COLUMNS):
        where = f"{path.name}, line {line}, column"
        application_id, outcome = row["application_id"], row["outcome"].lower()
        if not application_id:
            raise ContractViolationError(f"{where} application_id: it is empty: give the id")
        if outcome not in {GOOD, BAD}:
            raise ContractViolationError(f"{where} outcome: write good or bad")
        try:
            observed_on = date.fromisoformat(row["date"])
        except ValueError:
            raise ContractViolationError(f"{where} date: write it as 2026-11-02") from None
        if observed_on > today:
            raise ContractViolationError(
                f"{where} date: it is to come: give the day of the outcome"
            )
        refuse_twice(path, lines, application_id, line)
        found.append(ReportedOutcome(application_id, outcome, observed_on))
    if not found:
        raise ContractViolationError(f"{path.name} has no outcomes: give one a line")
    return found
