"""How long the law wants records kept, as data with its source."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from data.contracts.base import Contract, Day, Slug
from data.contracts.quantities import Count


class RecordClass(StrEnum):
    """The records of one application that a law speaks of."""

    APPLICATION = "application"
    IDENTITY = "identity"
    WATCHLIST_MATCH = "watchlist_match"


class CountedFrom(StrEnum):
    """The day from which a rule counts its months."""

    END_OF_LAST_RUN = "end_of_last_run"
    END_OF_LOAN = "end_of_loan"
    """The last payment that the contract of the loan has."""


_Text = Annotated[str, Field(min_length=1)]


class RetentionRule(Contract):
    """One class of records, and how long it is kept."""

    record: RecordClass
    label: _Text
    months: Annotated[Count, Field(ge=1)]
    counted_from: CountedFrom
    citation: _Text
    """The law, and what it says."""
    owner: _Text
    effective_from: Day
    effective_to: Day | None = None

    def is_in_force(self, day: date) -> bool:
        return self.effective_from <= day and (
            self.effective_to is None or day <= self.effective_to
        )


class RetentionRules(Contract):
    """The versioned file of all rules: `policy/retention.yaml`."""

    retention: Slug
    version: _Text
    rules: Annotated[tuple[RetentionRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _every_class_has_a_rule(self) -> Self:
        missing = set(RecordClass) - {rule.record for rule in self.rules}
        if missing:
            raise ValueError(f"no rule for {', '.join(sorted(missing))}")
        wrong = {
            rule.record
            for rule in self.rules
            if (rule.counted_from is CountedFrom.END_OF_LOAN)
            != (rule.record is RecordClass.IDENTITY)
        }
        if wrong:
            raise ValueError(f"{', '.join(sorted(wrong))}: counted from a day that it has not")
        return self

    @property
    def name(self) -> str:
        """Name and version: what an application that is kept was judged by."""
        return f"{self.retention}/{self.version}"

    def in_force(self, day: date) -> tuple[RetentionRule, ...]:
        """The rules of a day."""
        return tuple(rule for rule in self.rules if rule.is_in_force(day))


class RecordsKept(Contract):
    """One class of records in a round of housekeeping, with the rule for it."""

    record: RecordClass
    label: str
    months: int
    """By the rule, or by the setting where that keeps them longer."""
    citation: str
    due: Count
    """Applications whose time is up: this rule kept them the longest."""
    kept: Count
    """Applications that this rule keeps beyond the time of the others."""
