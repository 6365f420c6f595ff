"""Level-payment loans to the cent: payment, schedule, and the largest principal for a payment.

The payment is the annuity `principal * i / (1 - (1 + i)^-n)`, rounded half up, where `i` is the
yearly rate divided by twelve. Interest is rounded every month, so the last payment differs from
the others by a few cents.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from data.rounding import cents, cents_down

MONTHS_PER_YEAR = 12


@dataclass(frozen=True)
class Instalment:
    """One payment of a schedule, in dollars. `balance` is the debt after the payment."""

    number: int
    payment: Decimal
    interest: Decimal
    principal: Decimal
    balance: Decimal


def level_payment(principal: Decimal, annual_rate: Decimal, months: int) -> Decimal:
    """The monthly payment in dollars that repays `principal` in `months` payments.

    Raises ValueError when the principal or the term is not positive or the rate is negative.
    """
    if principal <= 0:
        raise ValueError("the principal must be positive")
    return cents(principal / _annuity(annual_rate, months))


def principal_for(payment: Decimal, annual_rate: Decimal, months: int) -> Decimal:
    """The largest principal, down to the cent, that a monthly payment can repay.

    Zero when the payment is not positive.
    """
    if payment <= 0:
        return Decimal("0.00")
    return cents_down(payment * _annuity(annual_rate, months))


def schedule(principal: Decimal, annual_rate: Decimal, months: int) -> tuple[Instalment, ...]:
    """Every payment of the loan. The last payment includes the rounding differences."""
    payment = level_payment(principal, annual_rate, months)
    balance, instalments = principal, []
    for number in range(1, months + 1):
        interest = cents(balance * annual_rate / MONTHS_PER_YEAR)
        paid = payment if number < months else balance + interest
        balance = balance + interest - paid
        instalments.append(Instalment(number, paid, interest, paid - interest, balance))
    return tuple(instalments)


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
