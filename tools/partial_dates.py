"""Dates of birth as lists write them: to the day, the month or the year, about, or a range.

For example `10 Dec 1948`, `Oct 1974`, `1957`, `circa 1960`, `1962 to 1964`.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_DAY = re.compile(r"(?:(?:([0-9]{1,2})\s+)?([A-Za-z]{3})[a-z]*\.?\s+)?([0-9]{4})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_ABOUT = re.compile(r"^(?:circa|c\.|approximately|about|early|late|mid)\s+", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:\bto\b|\band\b|\bor\b|-|–|/)\s*")
_ABOUT_YEARS = 1
"""How many years a date that is only about right may be off."""


def exact_day(text: str) -> date | None:
    """A date that is known to the day; None for any other text."""
    found = _span(text.strip())
    return found[0] if found and found[0] == found[1] else None


def range_of_days(text: str) -> tuple[date, date] | None:
    """The first and the last possible day; None when the text gives no year."""
    bare = _ABOUT.sub("", text.strip())
    ends = [_span(part) for part in _BETWEEN.split(bare.removeprefix("between ").strip())]
    known = [end for end in ends if end]
    if _ISO.fullmatch(bare):
        known = [span for span in [_span(bare)] if span]
    if not known:
        return None
    first, last = min(start for start, _ in known), max(end for _, end in known)
    if bare != text.strip():
        return first.replace(day=1, year=first.year - _ABOUT_YEARS), _later(last)
    return first, last


def _later(day: date) -> date:
    return date(day.year + _ABOUT_YEARS, 12, 31)


def _span(text: str) -> tuple[date, date] | None:
    """The days that a day, a month or a year stands for."""
    if iso := _ISO.fullmatch(text):
        return _days(*(int(part) for part in iso.groups()))
    found = _DAY.fullmatch(text)
    if found is None:
        return None
    day, month, year = found.groups()
    number = _MONTHS.get(month.casefold()) if month else None
    if month and number is None:
        return None
    return _days(int(year), number, int(day) if day else None)


def _days(year: int, month: int | None, day: int | None) -> tuple[date, date] | None:
    try:
        first = date(year, month or 1, day or 1)
    except ValueError:
        return None
    if day:
        return first, first
    if month is None:
        return first, date(year, 12, 31)
    following = date(year + month // 12, month % 12 + 1, 1)
    return first, following - timedelta(days=1)
