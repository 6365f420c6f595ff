"""How often pay arrives: the frequency whose schedule fits the dates of the deposits best.

Gaps alone do not tell 26 payments a year from 24: pay for the 1st and the 15th that moves away
from weekends often arrives 14 days apart. So the days of the month count too.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from data.contracts.documents import PayFrequency

_GAPS = (
    (5, 9, PayFrequency.WEEKLY),
    (12, 18, None),
    (26, 33, PayFrequency.MONTHLY),
)
_FORTNIGHT = 14
_SURELY_FORTNIGHTLY = 4
"""Four gaps of 14 days in a row are 56 days. Four half months are never less than 57."""
_LATEST = 24
"""The search for a schedule takes long for many days, and a statement may have thousands."""
_HALF_MONTH = range(13, 18)
_LAST_DAY = 31


def pay_frequency(days: Sequence[date]) -> PayFrequency | None:
    """The frequency of pay that arrived on these days, oldest first; None when it is irregular.

    The last two dozen days count.
    """
    days = days[-_LATEST:]
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    if not gaps:
        return None
    typical = median(gaps)
    fitting = next((band for band in _GAPS if band[0] <= typical <= band[1]), None)
    if fitting is None:
        return None
    return fitting[2] or _two_weeks_or_half_a_month(days, gaps)


def _two_weeks_or_half_a_month(days: Sequence[date], gaps: Sequence[int]) -> PayFrequency:
    if len(gaps) >= _SURELY_FORTNIGHTLY and set(gaps) == {_FORTNIGHT}:
        return PayFrequency.BIWEEKLY
    by_month = _days_off_half_months(days)
    if by_month is not None and by_month < _days_off_fortnights(days):
        return PayFrequency.SEMIMONTHLY
    return PayFrequency.BIWEEKLY if median(gaps) < 15 else PayFrequency.SEMIMONTHLY


def _days_off_fortnights(days: Sequence[date]) -> int:
    """By how many days in all the dates miss the best schedule of every 14 days."""
    phases = [day.toordinal() % _FORTNIGHT for day in days]
    return min(
        sum(min((phase - start) % _FORTNIGHT, (start - phase) % _FORTNIGHT) for phase in phases)
        for start in set(phases)
    )


def _days_off_half_months(days: Sequence[date]) -> int | None:
    """By how many days in all the dates miss the best schedule of two days of the month.

    A payday on a weekend moves to the Friday before or to the Monday after. At least one payday of
    each pair fell on a working day, so the pairs are made of the days seen.
    """
    seen = {day.day for day in days} | {_LAST_DAY, 1}
    pairs = [(low, high) for low in seen for high in seen if high - low in _HALF_MONTH]
    months = sorted({(near.year, near.month) for day in days for near in _around(day)})
    found = (
        sum(min(abs((day - payday).days) for payday in paydays) for day in days)
        for pair in pairs
        for paydays in (
            [_moved(_in_month(month, number), back=back) for month in months for number in pair]
            for back in (True, False)
        )
    )
    return min(found, default=None)


def _around(day: date) -> tuple[date, date]:
    """A payday may move over the end of a month."""
    return day - timedelta(days=3), day + timedelta(days=3)


def _in_month(month: tuple[int, int], number: int) -> date:
    return date(*month, min(number, calendar.monthrange(*month)[1]))


def _moved(payday: date, *, back: bool) -> date:
    beyond_friday = payday.weekday() - 4
    if beyond_friday <= 0:
        return payday
    return payday + timedelta(days=-beyond_friday if back else 3 - beyond_friday)
