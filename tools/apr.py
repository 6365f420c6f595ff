"""The annual percentage rate as Regulation Z, Appendix J, computes it (12 CFR 1026).

At this rate, the payments discounted by the general equation of Appendix J(b)(8) equal the amount
advanced. An odd first period bears compound interest for its whole unit-periods and simple
interest for the fraction.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from data.rounding import rate

_TOLERANCE = 1e-12
_MAX_RATE_PER_UNIT_PERIOD = 10.0
_DAYS_PER_MONTH = 30
_DAYS_PER_YEAR = 365
_LAST_DAY = 31
_MONTHS_PER_YEAR = 12


class UnitPeriod(StrEnum):
    """How often payments fall due."""

    WEEK = "week"
    TWO_WEEKS = "two_weeks"
    FOUR_WEEKS = "four_weeks"
    SEMIMONTH = "semimonth"
    MONTH = "month"
    TWO_MONTHS = "two_months"
    QUARTER = "quarter"

    @property
    def per_year(self) -> int:
        """Unit-periods in a year."""
        return _PER_YEAR[self]

    @property
    def days(self) -> int:
        """Days in a unit-period by the convention of Appendix J(b)(5)."""
        return _DAYS[self]

    @property
    def is_weeks(self) -> bool:
        """Whether the unit-period is a number of weeks, and not of months."""
        return self in _WEEKS


_PER_YEAR = {
    UnitPeriod.WEEK: 52,
    UnitPeriod.TWO_WEEKS: 26,
    UnitPeriod.FOUR_WEEKS: 13,
    UnitPeriod.SEMIMONTH: 24,
    UnitPeriod.MONTH: 12,
    UnitPeriod.TWO_MONTHS: 6,
    UnitPeriod.QUARTER: 4,
}
_DAYS = {
    UnitPeriod.WEEK: 7,
    UnitPeriod.TWO_WEEKS: 14,
    UnitPeriod.FOUR_WEEKS: 28,
    UnitPeriod.SEMIMONTH: 15,
    UnitPeriod.MONTH: 30,
    UnitPeriod.TWO_MONTHS: 60,
    UnitPeriod.QUARTER: 90,
}
_WEEKS = frozenset({UnitPeriod.WEEK, UnitPeriod.TWO_WEEKS, UnitPeriod.FOUR_WEEKS})


@dataclass(frozen=True)
class FirstPeriod:
    """Time from the advance to the first payment: whole unit-periods and a fraction."""

    whole: int = 1
    fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.whole < 0 or not 0 <= self.fraction < 1 or self.whole + self.fraction == 0:
            raise ValueError(
                "a first period must be positive, with a fraction below one unit-period"
            )

    @property
    def length(self) -> Decimal:
        """The length in unit-periods, to six places."""
        return rate(self.whole + self.fraction)


def first_period(advance: date, first_payment: date, unit: UnitPeriod) -> FirstPeriod:
    """Measure the first period between two dates by Appendix J(b)(5).

    Months are counted back from the payment, and from the last day of a month to the last day of
    another where the advance and the payment are last days. The remaining days are counted forward
    from the advance. Raises ValueError when the payment is not later than the advance.
    """
    if first_payment <= advance:
        raise ValueError("the first payment must follow the advance")
    if unit.is_weeks:
        days = (first_payment - advance).days
    else:
        months, odd_days = _months_back(advance, first_payment)
        if unit is UnitPeriod.MONTH:
            # Up to 31 days may remain, which is more than one unit-period of 30 days.
            whole, over = divmod(odd_days, _DAYS_PER_MONTH)
            return FirstPeriod(months + whole, over / _DAYS_PER_MONTH)
        days = months * _DAYS_PER_MONTH + odd_days
    whole, over = divmod(days, unit.days)
    return FirstPeriod(whole, over / unit.days)


def time_to_first_payment(advance: date, first_payment: date | None) -> FirstPeriod:
    """The first period of a loan with monthly payments: a month where no date was chosen."""
    if first_payment is None:
        return FirstPeriod()
    return first_period(advance, first_payment, UnitPeriod.MONTH)


def annual_percentage_rate(
    amount_financed: Decimal,
    payments: Sequence[Decimal],
    unit: UnitPeriod = UnitPeriod.MONTH,
    first: FirstPeriod | None = None,
) -> Decimal:
    """The APR as a fraction, rounded half up to six places.

    `amount_financed` is the amount that the borrower receives, after any prepaid finance charge.
    The first payment is due at the end of the first period, and then one each unit-period.
    Raises ValueError when the payments do not repay the advance at a rate of zero or more.
    """
    unit_rate = _unit_period_rate(amount_financed, payments, first or FirstPeriod())
    return rate(unit_rate * unit.per_year)


def single_payment_rate(
    amount_financed: Decimal, payment: Decimal, advance: date, due: date
) -> Decimal:
    """The APR of a loan that one payment repays, by Appendix J(b)(5)(vi), as a fraction.

    Up to a year the unit-period is the term: whole months, or else days of a year of 365. A longer
    term has unit-periods of a year. Raises ValueError as `annual_percentage_rate` and
    `first_period`.
    """
    if due <= advance:
        raise ValueError("the first payment must follow the advance")
    months, odd_days = _months_back(advance, due)
    days = (due - advance).days
    if months < _MONTHS_PER_YEAR or (months == _MONTHS_PER_YEAR and not odd_days):
        per_year = _DAYS_PER_YEAR / days if odd_days else _MONTHS_PER_YEAR / months
        return rate(_unit_period_rate(amount_financed, [payment], FirstPeriod()) * per_year)
    whole, over = divmod(months, _MONTHS_PER_YEAR)
    rest = (_month_before(due, due.day, _MONTHS_PER_YEAR * whole) - advance).days
    fraction = rest / _DAYS_PER_YEAR if odd_days else over / _MONTHS_PER_YEAR
    return rate(_unit_period_rate(amount_financed, [payment], FirstPeriod(whole, fraction)))


def _unit_period_rate(
    amount_financed: Decimal, payments: Sequence[Decimal], start: FirstPeriod
) -> float:
    advance, due = float(amount_financed), [float(payment) for payment in payments]
    if advance <= 0 or not due or math.fsum(due) < advance:
        raise ValueError("payments must repay a positive amount financed")
    unit_rate, step = 0.0, 1.0
    # The present value falls with the rate, and ever more slowly. So Newton's steps from zero
    # come nearer from below and never pass the rate that is sought.
    while step > _TOLERANCE:
        value, slope = _present_value(due, unit_rate, start)
        step = (advance - value) / slope
        unit_rate += step
        if unit_rate > _MAX_RATE_PER_UNIT_PERIOD:
            raise ValueError("the payments give no plausible rate")
    return max(unit_rate, 0.0)


def finance_charge(amount_financed: Decimal, payments: Sequence[Decimal]) -> Decimal:
    """The cost of credit in dollars: the sum of the payments less the amount financed."""
    return sum(payments, Decimal(0)) - amount_financed


def _present_value(
    payments: Sequence[float], unit_rate: float, first: FirstPeriod
) -> tuple[float, float]:
    """The present value of the payments, and its derivative by the rate."""
    growth, odd = 1 + unit_rate, 1 + first.fraction * unit_rate
    value = slope = 0.0
    discount = odd * growth**first.whole
    for period, payment in enumerate(payments, first.whole):
        present = payment / discount
        value += present
        slope -= present * (first.fraction / odd + period / growth)
        discount *= growth
    return value, slope


def _months_back(earlier: date, later: date) -> tuple[int, int]:
    """Whole months counted back from the later date, and the remaining days."""
    last_days = _is_last_day(earlier) and _is_last_day(later)
    anchor = later.replace(day=1), _LAST_DAY if last_days else later.day
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    while _month_before(*anchor, months) < earlier:
        months -= 1
    return months, (_month_before(*anchor, months) - earlier) // timedelta(days=1)


def _month_before(month_of: date, day: int, months: int) -> date:
    year, month = divmod(month_of.year * 12 + month_of.month - 1 - months, 12)
    return date(year, month + 1, min(day, calendar.monthrange(year, month + 1)[1]))


def _is_last_day(day: date) -> bool:
    return day.day == calendar.monthrange(day.year, day.month)[1]
