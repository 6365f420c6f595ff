"""Level-payment loans to the cent: the payment, its schedule, and the loan a payment carries.

The payment is the textbook annuity, `principal * i / (1 - (1 + i)^-n)` with `i` the yearly
rate divided by twelve, rounded half up. Interest is rounded each month, as a ledger would,
so the last payment differs from the others by a few cents.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
MONTHS_PER_YEAR = 12


@dataclass(frozen=True)
class Instalment:
    """One payment of a schedule, in dollars; `balance` is what is owed after it."""

    number: int
    payment: Decimal
    interest: Decimal
    principal: Decimal
    balance: Decimal


def to_cents(amount: Decimal) -> Decimal:
    """Round an amount half up to the cent."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def level_payment(principal: Decimal, annual_rate: Decimal, months: int) -> Decimal:
    """The monthly payment in dollars that repays `principal` in `months` payments.

    Raises ValueError when the principal or the term is not positive or the rate is negative.
    """
    if principal <= 0:
        raise ValueError("the principal must be positive")
    return to_cents(principal / _annuity(annual_rate, months))


def principal_for(payment: Decimal, annual_rate: Decimal, months: int) -> Decimal:
    """The largest principal, down to the cent, that a monthly payment can repay.

    Zero when there is no room for a payment.
    """
    if payment <= 0:
        return Decimal("0.00")
    return (payment * _annuity(annual_rate, months)).quantize(CENT, ROUND_FLOOR)


def schedule(principal: Decimal, annual_rate: Decimal, months: int) -> tuple[Instalment, ...]:
    """Every payment of the loan; the last one takes up what rounding left over."""
    payment = level_payment(principal, annual_rate, months)
    balance, instalments = principal, []
    for number in range(1, months + 1):
        interest = to_cents(balance * annual_rate / MONTHS_PER_YEAR)
        paid = payment if number < months else balance + interest
        balance = balance + interest - paid
        instalments.append(Instalment(number, paid, interest, paid - interest, balance))
    return tuple(instalments)


def _annuity(annual_rate: Decimal, months: int) -> Decimal:
    """What one dollar a month is worth today."""
    if months < 1:
        raise ValueError("the term must be at least one month")
    if annual_rate < 0:
        raise ValueError("the rate must not be negative")
    if annual_rate == 0:
        return Decimal(months)
    rate = annual_rate / MONTHS_PER_YEAR
    return (1 - (1 + rate) ** -months) / rate
