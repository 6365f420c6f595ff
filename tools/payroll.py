"""Pay: what a period's pay comes to per month, and which deposits in the bank are pay."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from statistics import median

from rapidfuzz import fuzz

from data.contracts.documents import BankStatement, PayFrequency, Transaction
from data.contracts.findings import IncomeStability
from tools.names import name_tokens

_CADENCES = (
    (5, 9, PayFrequency.WEEKLY),
    (12, 14, PayFrequency.BIWEEKLY),
    (15, 17, PayFrequency.SEMIMONTHLY),
    (26, 33, PayFrequency.MONTHLY),
)


def to_cents(amount: Decimal) -> Decimal:
    """Half-up, as on a paystub."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def monthly_from_pay(gross: Decimal, frequency: PayFrequency) -> Decimal:
    """One period's pay times the periods of a year, over twelve."""
    return to_cents(gross * frequency.periods_per_year / 12)


def payroll_deposits(
    statements: Iterable[BankStatement], employer: str
) -> tuple[tuple[Transaction, ...], PayFrequency | None]:
    """The pay that arrived, oldest first, and how often it arrives; None when irregular."""
    found = {
        (one.posted_on, one.amount, one.description): one
        for statement in statements
        for one in statement.transactions
        if one.amount > 0 and _is_payroll(one, employer)
    }
    pay = tuple(found[key] for key in sorted(found))
    gaps = [(later.posted_on - earlier.posted_on).days for earlier, later in pairwise(pay)]
    if not gaps:
        return pay, None
    typical = median(gaps)
    return pay, next((name for low, high, name in _CADENCES if low <= typical <= high), None)


def recurring_monthly(pay: tuple[Transaction, ...], cadence: PayFrequency | None) -> Decimal | None:
    """The median of the last three to six deposits per month; None when it does not recur."""
    if cadence is None or len(pay) < 3:
        return None
    return monthly_from_pay(Decimal(median(one.amount for one in pay[-6:])), cadence)


def pay_stability(
    pay: tuple[Transaction, ...], cadence: PayFrequency | None
) -> IncomeStability | None:
    """How regularly pay arrives and how much it varies; None when none was seen."""
    if not pay:
        return None
    amounts = [one.amount for one in pay]
    mean = sum(amounts, Decimal(0)) / len(amounts)
    variance = sum(((one - mean) ** 2 for one in amounts), Decimal(0)) / len(amounts)
    return IncomeStability(
        months=len({(one.posted_on.year, one.posted_on.month) for one in pay}),
        deposits=len(pay),
        cadence=cadence.value if cadence else "irregular",
        cv=(variance.sqrt() / mean).quantize(Decimal("0.0001"), ROUND_HALF_UP),
    )


def _is_payroll(transaction: Transaction, employer: str) -> bool:
    if transaction.category == "payroll":
        return True
    if transaction.category != "other" or not employer:
        return False
    mine, theirs = " ".join(name_tokens(employer)), " ".join(name_tokens(transaction.description))
    return " " in mine and fuzz.token_set_ratio(mine, theirs) >= 90
