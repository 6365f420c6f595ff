"""Invented credit files, each of a kind that the scorecards and the policy tell apart."""

from __future__ import annotations

from random import Random
from typing import Any

from data.contracts.bureau import BureauReport, Tradeline, TradelineType
from data.synthetic.builder import Person, card, inquiries, loan, months_before, report


def clean(rng: Random, person: Person, **differs: Any) -> BureauReport:
    """Old accounts, low balances, never late: grade A or B."""
    lines = cards(rng, person, rng.randint(3, 5), (120, 250), (0.02, 0.26))
    if rng.random() < 0.7:
        lines.append(instalments(rng, person, (0.02, 0.06)))
    asked = inquiries(rng.randint(0, 1), person.as_of)
    return report(person, rng.randint(700, 830), *lines, **({"inquiries": asked} | differs))


def middling(rng: Random, person: Person, **differs: Any) -> BureauReport:
    """Younger accounts, half used, one late payment long ago: grade C."""
    first, *others = cards(rng, person, 2, (62, 90), (0.42, 0.49))
    late = {"dpd_30_count": 1, "last_delinquency": months_before(person.as_of, rng.randint(26, 34))}
    lines = [
        first.model_copy(update=late),
        *others,
        instalments(rng, person, (0.02, 0.05)),
    ]
    asked = inquiries(2, person.as_of)
    return report(person, rng.randint(665, 699), *lines, **({"inquiries": asked} | differs))


def weak(rng: Random, person: Person, **differs: Any) -> BureauReport:
    """Cards nearly used up, late within two years, many inquiries: a case for an underwriter."""
    first, *others = cards(rng, person, 2, (61, 94), (0.66, 0.74))
    late = {"dpd_30_count": 2, "last_delinquency": months_before(person.as_of, rng.randint(14, 20))}
    lines = [
        first.model_copy(update=late),
        *others,
        instalments(rng, person, (0.03, 0.06)),
    ]
    asked = inquiries(4, person.as_of)
    return report(person, rng.randint(641, 659), *lines, **({"inquiries": asked} | differs))


def poor(rng: Random, person: Person, **differs: Any) -> BureauReport:
    """Cards used up, 90 days late within the last year: below the least score."""
    first, second = cards(rng, person, 2, (30, 58), (0.92, 0.99))
    late = {
        "dpd_30_count": 4,
        "dpd_60_count": 2,
        "dpd_90_count": 1,
        "last_delinquency": months_before(person.as_of, rng.randint(3, 5)),
    }
    asked = inquiries(rng.randint(5, 6), person.as_of)
    return report(
        person,
        rng.randint(480, 572),
        first.model_copy(update=late),
        second,
        instalments(rng, person, (0.02, 0.04)),
        **({"inquiries": asked} | differs),
    )


def cards(
    rng: Random,
    person: Person,
    count: int,
    oldest_months: tuple[int, int],
    used: tuple[float, float],
    **differs: Any,
) -> list[Tradeline]:
    """Credit cards, the oldest first. `used` is the range of balances as shares of their limits."""
    oldest = rng.randint(*oldest_months)
    found = []
    for place in range(count):
        opened = months_before(person.as_of, oldest - place * (oldest // (count + 1)))
        limit = round(float(person.income) * rng.uniform(0.4, 1.6) / 100) * 100
        balance = round(limit * rng.uniform(*used))
        payment = max(25, round(balance * 0.03))
        found.append(
            card(f"{limit}.00", f"{balance}.00", f"{payment}.00", opened_on=opened, **differs)
        )
    return found


def instalments(rng: Random, person: Person, of_income: tuple[float, float]) -> Tradeline:
    """A car, student or other loan. `of_income` is the range of payments as shares of income."""
    payment = round(float(person.income) * rng.uniform(*of_income))
    amount = payment * rng.randint(40, 60)
    kinds = (TradelineType.AUTO, TradelineType.STUDENT, TradelineType.INSTALLMENT)
    return loan(
        f"{amount}.00",
        f"{round(amount * rng.uniform(0.2, 0.7))}.00",
        f"{payment}.00",
        type=rng.choice(kinds),
        opened_on=months_before(person.as_of, rng.randint(14, 48)),
    )


def obligations(bureau: BureauReport) -> float:
    """The payments of all accounts, in dollars per month."""
    return float(sum(line.payment_monthly for line in bureau.tradelines))
