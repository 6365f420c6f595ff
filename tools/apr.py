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


class UnitPeriod(StrEnum):
    """How often payments fall due."""

    WEEK = "week"
    TWO_WEEKS = "two_weeks"
    SEMIMONTH = "semimonth"
    MONTH = "month"
    QUARTER = "quarter"

    @property
    def per_year(self) -> int:
        """Unit-periods in a year."""
        return {"week": 52, "two_weeks": 26, "semimonth": 24, "month": 12, "quarter": 4}[self]

    @property
    def days(self) -> int:
        """Days in a unit-period by the convention of Appendix J(b)(5)."""
        return {"week": 7, "two_weeks": 14, "semimonth": 15, "month": 30, "quarter": 90}[self]


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


def first_period(advance: date, first_payment: date, unit: UnitPeriod) -> FirstPeriod:
    """Measure the first period between two dates by Appendix J(b)(5).

    Months are counted back from the payment. The remaining days are counted forward from the
    advance. Raises ValueError when the payment is not later than the advance.
    """
    if first_payment <= advance:
        raise ValueError("the first payment must follow the advance")
    if unit in (UnitPeriod.WEEK, UnitPeriod.TWO_WEEKS):
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
    advance, due = float(amount_financed), [float(payment) for payment in payments]
    start = first or FirstPeriod()
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
    return rate(max(unit_rate, 0.0) * unit.per_year)


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
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    while _month_before(later, months) < earlier:
        months -= 1
    return months, (_month_before(later, months) - earlier) // timedelta(days=1)


def _month_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
