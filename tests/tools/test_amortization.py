"""Payments, schedules and principals, compared with figures from other sources."""

from decimal import Decimal

import pytest

from tools.amortization import level_payment, principal_for, schedule


@pytest.mark.parametrize(
    ("principal", "rate", "months", "payment"),
    [
        ("15000", "0.1299", 48, "402.34"),
        ("10000", "0.2499", 36, "397.55"),
        ("1200", "0", 12, "100.00"),
        ("1000", "0.12", 1, "1010.00"),
    ],
)
def test_the_level_payment_is_the_annuity_rounded_to_the_cent(
    principal: str, rate: str, months: int, payment: str
) -> None:
    assert level_payment(Decimal(principal), Decimal(rate), months) == Decimal(payment)


def test_half_a_cent_is_rounded_up() -> None:
    assert level_payment(Decimal("0.03"), Decimal(0), 2) == Decimal("0.02")


def test_the_last_payment_takes_up_the_rounding() -> None:
    instalments = schedule(Decimal(15000), Decimal("0.1299"), 48)

    assert {instalment.payment for instalment in instalments[:-1]} == {Decimal("402.34")}
    assert instalments[-1].payment == Decimal("402.26")
    assert instalments[-1].balance == 0


def test_the_principal_parts_of_a_schedule_add_up_to_the_loan() -> None:
    instalments = schedule(Decimal("12345.67"), Decimal("0.2099"), 37)

    assert sum(instalment.principal for instalment in instalments) == Decimal("12345.67")


def test_room_of_336_dollars_carries_the_principal_of_the_published_example() -> None:
    assert principal_for(Decimal(336), Decimal("0.1299"), 48) == Decimal("12526.78")


@pytest.mark.parametrize("payment", ["17.31", "99.99", "336.00", "1204.05"])
def test_the_largest_principal_never_needs_more_than_its_payment(payment: str) -> None:
    principal = principal_for(Decimal(payment), Decimal("0.1799"), 36)

    assert level_payment(principal, Decimal("0.1799"), 36) <= Decimal(payment)
    assert level_payment(principal + 1, Decimal("0.1799"), 36) > Decimal(payment)


def test_a_long_first_period_bears_simple_interest_for_its_length() -> None:
    # 12,000 at 1 % a month: 180 for a month and a half, then 1 % of what is left.
    instalments = schedule(Decimal(12000), Decimal("0.12"), 12, Decimal("1.5"))

    assert instalments[0].interest == Decimal("180.00")
    assert instalments[-1].balance == 0
    assert abs(instalments[-1].payment - instalments[0].payment) < Decimal("0.10")
    assert instalments[0].payment == level_payment(
        Decimal(12000), Decimal("0.12"), 12, Decimal("1.5")
    )


def test_the_largest_principal_pays_for_its_first_period() -> None:
    first = Decimal("1.5")
    principal = principal_for(Decimal(336), Decimal("0.1299"), 48, first)

    assert principal < principal_for(Decimal(336), Decimal("0.1299"), 48)
    assert level_payment(principal, Decimal("0.1299"), 48, first) == Decimal("336.00")


def test_without_room_for_a_payment_nothing_can_be_lent() -> None:
    assert principal_for(Decimal("-4.20"), Decimal("0.1299"), 48) == 0


@pytest.mark.parametrize(
    ("principal", "rate", "months"), [("0", "0.1", 12), ("100", "-0.1", 12), ("100", "0.1", 0)]
)
def test_a_loan_that_cannot_exist_is_refused(principal: str, rate: str, months: int) -> None:
    with pytest.raises(ValueError, match="must"):
        level_payment(Decimal(principal), Decimal(rate), months)
