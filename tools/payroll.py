"""Pay per month, and the bank deposits that are pay."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from statistics import median

from rapidfuzz import fuzz

from data.contracts.documents import BankStatement, PayFrequency, Transaction
from data.contracts.findings import IncomeStability
from data.rounding import cents, four_places
from tools.names import name_tokens

_CADENCES = (
    (5, 9, PayFrequency.WEEKLY),
    (12, 14, PayFrequency.BIWEEKLY),
    (15, 17, PayFrequency.SEMIMONTHLY),
    (26, 33, PayFrequency.MONTHLY),
)


def monthly_from_pay(gross: Decimal, frequency: PayFrequency) -> Decimal:
    """Monthly pay in dollars: the pay of one period * periods per year / 12."""
    return cents(gross * frequency.periods_per_year / 12)


def payroll_deposits(
    statements: Iterable[BankStatement], employer: str
) -> tuple[tuple[Transaction, ...], PayFrequency | None]:
    """The pay deposits, oldest first, and their frequency; None when it is irregular."""
    found = {
        (deposit.posted_on, deposit.amount, deposit.description): deposit
        for statement in statements
        for deposit in statement.transactions
        if deposit.amount > 0 and _is_payroll(deposit, employer)
    }
    pay = tuple(found[key] for key in sorted(found))
    gaps = [(later.posted_on - earlier.posted_on).days for earlier, later in pairwise(pay)]
    if not gaps:
        return pay, None
    typical = median(gaps)
    return pay, next((name for low, high, name in _CADENCES if low <= typical <= high), None)


def recurring_monthly(pay: tuple[Transaction, ...], cadence: PayFrequency | None) -> Decimal | None:
    """Monthly pay from the median of the last three to six deposits; None when irregular."""
    if cadence is None or len(pay) < 3:
        return None
    return monthly_from_pay(Decimal(median(deposit.amount for deposit in pay[-6:])), cadence)


def pay_stability(
    pay: tuple[Transaction, ...], cadence: PayFrequency | None
) -> IncomeStability | None:
    """How regularly pay arrives and how much it varies; None without pay deposits."""
    if not pay:
        return None
    amounts = [deposit.amount for deposit in pay]
    mean = sum(amounts, Decimal(0)) / len(amounts)
    variance = sum(((amount - mean) ** 2 for amount in amounts), Decimal(0)) / len(amounts)
    return IncomeStability(
        months=len({(deposit.posted_on.year, deposit.posted_on.month) for deposit in pay}),
        deposits=len(pay),
        cadence=cadence.value if cadence else "irregular",
        cv=four_places(variance.sqrt() / mean),
    )


def _is_payroll(transaction: Transaction, employer: str) -> bool:
    if transaction.category == "payroll":
        return True
    if transaction.category != "other" or not employer:
        return False
    name = " ".join(name_tokens(employer))
    description = " ".join(name_tokens(transaction.description))
    return " " in name and fuzz.token_set_ratio(name, description) >= 90
