"""Pay per month, and the bank deposits that are pay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from statistics import median

from rapidfuzz import fuzz

from data.contracts.documents import BankStatement, PayFrequency, Transaction
from data.contracts.findings import IncomeStability
from data.rounding import cents, four_places
from tools.names import name_tokens
from tools.pay_cadence import pay_frequency

Pay = tuple[tuple[Transaction, ...], PayFrequency | None]
"""Deposits of pay, oldest first, and their frequency; None when it is irregular."""

_SAME_EMPLOYER = 90


def monthly_from_pay(gross: Decimal, frequency: PayFrequency) -> Decimal:
    """Monthly pay in dollars: the pay of one period * periods per year / 12."""
    return cents(gross * frequency.periods_per_year / 12)


def money_in(statements: Iterable[BankStatement]) -> tuple[Transaction, ...]:
    """The deposits of all statements, oldest first. Where statements overlap, each counts once."""
    found: Counter[tuple[str, Transaction]] = Counter()
    for statement in statements:
        found |= Counter(
            (statement.account_last4, moved) for moved in statement.transactions if moved.amount > 0
        )
    return tuple(
        sorted(
            (moved for _, moved in found.elements()),
            key=lambda moved: (moved.posted_on, moved.amount, moved.description),
        )
    )


def with_frequency(deposits: Iterable[Transaction]) -> Pay:
    """Deposits of pay with the frequency at which they arrived."""
    pay = tuple(deposits)
    return pay, pay_frequency([deposit.posted_on for deposit in pay])


def recurring_monthly(pay: Sequence[Transaction], cadence: PayFrequency | None) -> Decimal | None:
    """Monthly pay from the median of the last three to six deposits; None when irregular."""
    if cadence is None or len(pay) < 3:
        return None
    return monthly_from_pay(Decimal(median(deposit.amount for deposit in pay[-6:])), cadence)


def pay_stability(
    pay: Sequence[Transaction], cadence: PayFrequency | None
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


def is_payroll(deposit: Transaction, employer: str) -> bool:
    """Whether the bank calls a deposit pay, or names the employer in it."""
    if deposit.category == "payroll":
        return True
    return deposit.category == "other" and names_employer(deposit.description, employer)


def names_employer(text: str, employer: str) -> bool:
    """Whether a text names an employer. A name of one word is too common to tell."""
    name = " ".join(name_tokens(employer))
    described = " ".join(name_tokens(text))
    return " " in name and fuzz.token_set_ratio(name, described) >= _SAME_EMPLOYER


def same_employer(first: str, second: str) -> bool:
    """Whether two names are of one employer: equal words, or one name within the other."""
    left, right = " ".join(name_tokens(first)), " ".join(name_tokens(second))
    return left == right or fuzz.token_set_ratio(left, right) >= _SAME_EMPLOYER
