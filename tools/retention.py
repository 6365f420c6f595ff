"""Until when the law wants the records of one application kept, and by which rule."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from data.contracts.retention import CountedFrom, RecordClass, RetentionRule, RetentionRules
from tools.versioned_data import load_versioned


@dataclass(frozen=True)
class Records:
    """What retention has to know of one application."""

    last_run_ended: date
    loan_ends: date | None = None
    """The last payment of the loan that was offered; None where none was."""
    has_match: bool = False
    """Whether an applicant resembled an entry of a watchlist."""

    def counted_from(self, rule: RetentionRule) -> date | None:
        """The day from which a rule counts; None where it does not apply."""
        if rule.record is RecordClass.WATCHLIST_MATCH and not self.has_match:
            return None
        is_of_loan = rule.counted_from is CountedFrom.END_OF_LOAN
        return self.loan_ends if is_of_loan else self.last_run_ended


class Kept(NamedTuple):
    """How long an application is kept."""

    until: date
    rule: RetentionRule


def load_retention(data_dir: Path) -> RetentionRules:
    """Read `policy/retention.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "policy" / "retention.yaml", RetentionRules)


def kept_until(rules: Iterable[RetentionRule], records: Records) -> Kept | None:
    """The last of the days that the rules name, and its rule; None when no rule applies."""
    days = [
        Kept(months_after(start, rule.months), rule)
        for rule in rules
        if (start := records.counted_from(rule)) is not None
    ]
    return max(days, key=lambda kept: kept.until, default=None)


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or the first of the next where the month has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    if day.day <= last:
        return date(year, month + 1, day.day)
    return date(year, month + 1, last) + timedelta(days=1)
