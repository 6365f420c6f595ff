"""Level-payment loans to the cent: payment, schedule, and the largest principal for a payment.

The payment is the annuity `principal * i / (1 - (1 + i)^-n)`, rounded half up, where `i` is the
yearly rate divided by twelve. Interest is rounded every month, so the last payment differs from
the others by a few cents. A first period that is longer or shorter than a month bears simple
interest for its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from data.rounding import cents, cents_down

MONTHS_PER_YEAR = 12
A_MONTH = Decimal(1)


@dataclass(frozen=True)
class Instalment:
    """One payment of a schedule, in dollars. `balance` is the debt after the payment."""

    number: int
    payment: Decimal
    interest: Decimal
    principal: Decimal
    balance: Decimal


def level_payment(
    principal: Decimal, annual_rate: Decimal, months: int, first_months: Decimal = A_MONTH
) -> Decimal:
    """The monthly payment in dollars that repays `principal` in `months` payments.

    `first_months` is the time to the first payment, in months. Raises ValueError when the principal
    or the term is not positive or the rate is negative.
    """
    if principal <= 0:
        raise ValueError("the principal must be positive")
    owed = principal * _growth(annual_rate, first_months)
    return cents(owed / _annuity(annual_rate, months))


def principal_for(
    payment: Decimal, annual_rate: Decimal, months: int, first_months: Decimal = A_MONTH
) -> Decimal:
    """The largest principal, down to the cent, that a monthly payment can repay.

    Zero when the payment is not positive.
    """
    if payment <= 0:
        return Decimal("0.00")
    present = payment * _annuity(annual_rate, months)
    return cents_down(present / _growth(annual_rate, first_months))


def schedule(
    principal: Decimal, annual_rate: Decimal, months: int, first_months: Decimal = A_MONTH
) -> tuple[Instalment, ...]:
    """Every payment of the loan. The last payment includes the rounding differences."""
    payment = level_payment(principal, annual_rate, months, first_months)
    balance, instalments = principal, []
    for number in range(1, months + 1):
        length = first_months if number == 1 else A_MONTH
        interest = cents(balance * annual_rate * length / MONTHS_PER_YEAR)
        paid = payment if number < months else balance + interest
        balance = balance + interest - paid
        instalments.append(Instalment(number, paid, interest, paid - interest, balance))
    return tuple(instalments)


def _growth(annual_rate: Decimal, first_months: Decimal) -> Decimal:
    """By how much more than a month the first period makes the debt grow, as a factor."""
    if first_months == A_MONTH:
        return Decimal(1)
    rate = annual_rate / MONTHS_PER_YEAR
    return (1 + rate * first_months) / (1 + rate)


def _annuity(annual_rate: Decimal, months: int) -> Decimal:
    """The present value of one dollar a month."""
    if months < 1:
        raise ValueError("the term must be at least one month")
    if annual_rate < 0:
        raise ValueError("the rate must not be negative")
    if annual_rate == 0:
        return Decimal(months)
    rate = annual_rate / MONTHS_PER_YEAR
    return (1 - (1 + rate) ** -months) / rate
