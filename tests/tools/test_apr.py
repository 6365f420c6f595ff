"""The APR, compared with the examples of Regulation Z, Appendix J(c), and with own figures."""

from datetime import date
from decimal import Decimal

import pytest

from tools.apr import (
    FirstPeriod,
    UnitPeriod,
    annual_percentage_rate,
    finance_charge,
    first_period,
    single_payment_rate,
)


@pytest.mark.parametrize(
    ("advance", "payment", "count", "unit", "advanced_on", "first_payment_on", "apr"),
    [
        ("5000", "230", 24, UnitPeriod.MONTH, date(1978, 1, 10), date(1978, 2, 10), "0.0969"),
        ("6000", "200", 36, UnitPeriod.MONTH, date(1978, 2, 10), date(1978, 4, 1), "0.1182"),
        ("5000", "219.17", 24, UnitPeriod.SEMIMONTH, date(1978, 2, 23), date(1978, 3, 1), "0.1034"),
        ("10000", "385", 40, UnitPeriod.QUARTER, date(1978, 5, 23), date(1978, 10, 1), "0.0897"),
        ("500", "17.60", 30, UnitPeriod.WEEK, date(1978, 3, 20), date(1978, 4, 21), "0.1496"),
    ],
)
def test_the_published_examples_come_out_as_published(
    advance: str,
    payment: str,
    count: int,
    unit: UnitPeriod,
    advanced_on: date,
    first_payment_on: date,
    apr: str,
) -> None:
    first = first_period(advanced_on, first_payment_on, unit)

    computed = annual_percentage_rate(Decimal(advance), [Decimal(payment)] * count, unit, first)

    assert round(computed, 4) == Decimal(apr)


@pytest.mark.parametrize(
    ("advance", "payments", "unit", "advanced_on", "first_payment_on", "apr"),
    [
        (
            "400",
            ["39.50", *["38.31"] * 11],
            UnitPeriod.FOUR_WEEKS,
            date(1979, 2, 18),
            date(1979, 3, 23),
            "0.2850",
        ),
        (
            "8000",
            ["449.36", *["465"] * 18, "200"],
            UnitPeriod.TWO_MONTHS,
            date(1978, 6, 9),
            date(1978, 8, 1),
            "0.0730",
        ),
    ],
)
def test_the_published_examples_with_odd_payments_come_out_as_published(
    advance: str,
    payments: list[str],
    unit: UnitPeriod,
    advanced_on: date,
    first_payment_on: date,
    apr: str,
) -> None:
    first = first_period(advanced_on, first_payment_on, unit)

    computed = annual_percentage_rate(
        Decimal(advance), [Decimal(payment) for payment in payments], unit, first
    )

    assert round(computed, 4) == Decimal(apr)


@pytest.mark.parametrize(
    ("advance", "payment", "advanced_on", "due", "apr"),
    [
        ("1000", "1080", date(1978, 1, 3), date(1978, 9, 15), "0.1145"),
        ("1000", "1044", date(1978, 7, 15), date(1979, 1, 15), "0.0880"),
        # A year, two years, and a year and a half: 1.1 = 1 + i; 1.21 = (1 + i)^2;
        # 1.155 = (1 + i) * (1 + i / 2).
        ("1000", "1100", date(2026, 1, 31), date(2027, 1, 31), "0.1000"),
        ("1000", "1210", date(2026, 1, 31), date(2028, 1, 31), "0.1000"),
        ("1000", "1155", date(2026, 1, 31), date(2027, 7, 31), "0.1000"),
        # A year and 73 of 365 days: (1 + i) * (1 + i / 5).
        ("1000", "1122", date(2026, 1, 31), date(2027, 4, 14), "0.1000"),
    ],
)
def test_a_single_payment_has_its_term_as_unit_period_up_to_a_year(
    advance: str, payment: str, advanced_on: date, due: date, apr: str
) -> None:
    computed = single_payment_rate(Decimal(advance), Decimal(payment), advanced_on, due)

    assert round(computed, 4) == Decimal(apr)


def test_a_single_payment_must_follow_its_advance() -> None:
    with pytest.raises(ValueError, match="must follow"):
        single_payment_rate(Decimal(1), Decimal(1), date(2026, 1, 1), date(2026, 1, 1))


def test_a_withheld_fee_raises_the_apr_above_the_rate() -> None:
    payments = [Decimal("402.34")] * 48

    assert round(annual_percentage_rate(Decimal(14550), payments), 5) == Decimal("0.14647")
    assert finance_charge(Decimal(14550), payments) == Decimal("4762.32")


def test_a_loan_without_interest_or_fee_has_an_apr_of_zero() -> None:
    assert annual_percentage_rate(Decimal(1200), [Decimal(100)] * 12) == 0


def test_payments_every_two_weeks_compound_twenty_six_times_a_year() -> None:
    apr = annual_percentage_rate(Decimal(1000), [Decimal(1010)], UnitPeriod.TWO_WEEKS)

    assert apr == Decimal("0.26")


def test_an_odd_first_period_bears_simple_interest_for_its_fraction() -> None:
    # 1,000 for one and a half months at 1 % a month: 1000 * 1.01 * 1.005.
    apr = annual_percentage_rate(
        Decimal(1000), [Decimal("1015.05")], UnitPeriod.MONTH, FirstPeriod(1, 0.5)
    )

    assert apr == Decimal("0.12")


@pytest.mark.parametrize(
    ("advance", "first_payment", "unit", "expected"),
    [
        (date(2026, 1, 10), date(2026, 2, 10), UnitPeriod.MONTH, FirstPeriod(1, 0)),
        (date(2026, 1, 31), date(2026, 2, 28), UnitPeriod.MONTH, FirstPeriod(1, 0)),
        (date(2026, 1, 30), date(2026, 2, 28), UnitPeriod.MONTH, FirstPeriod(0, 29 / 30)),
        (date(2027, 12, 31), date(2028, 2, 29), UnitPeriod.MONTH, FirstPeriod(2, 0)),
        (date(2026, 5, 30), date(2026, 6, 30), UnitPeriod.MONTH, FirstPeriod(1, 0)),
        (date(2026, 1, 31), date(2026, 3, 1), UnitPeriod.MONTH, FirstPeriod(1, 1 / 30)),
        (date(2026, 7, 1), date(2026, 7, 31), UnitPeriod.MONTH, FirstPeriod(1, 0)),
        (date(2026, 1, 1), date(2026, 1, 29), UnitPeriod.TWO_WEEKS, FirstPeriod(2, 0)),
    ],
)
def test_the_first_period_is_measured_back_from_the_payment(
    advance: date, first_payment: date, unit: UnitPeriod, expected: FirstPeriod
) -> None:
    assert first_period(advance, first_payment, unit) == expected


def test_a_payment_on_the_day_of_the_advance_is_refused() -> None:
    with pytest.raises(ValueError, match="must follow"):
        first_period(date(2026, 1, 1), date(2026, 1, 1), UnitPeriod.MONTH)


@pytest.mark.parametrize(("advance", "payments"), [("0", ["1"]), ("10", []), ("10", ["9.99"])])
def test_payments_that_do_not_repay_the_advance_have_no_rate(
    advance: str, payments: list[str]
) -> None:
    with pytest.raises(ValueError, match="must repay"):
        annual_percentage_rate(Decimal(advance), [Decimal(payment) for payment in payments])


def test_a_rate_beyond_all_plausibility_is_refused() -> None:
    with pytest.raises(ValueError, match="plausible"):
        annual_percentage_rate(Decimal("0.01"), [Decimal(10000)])
