"""The loans that could be offered instead: the largest amount that passes, for each longer term.

Every option is priced and put to the whole policy again, so that what is offered is what the
policy would have approved.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from functools import partial

from data.contracts.decision import Grade, Offer
from data.contracts.errors import ToolError
from data.contracts.facts import PolicyFacts
from data.contracts.findings import AffordabilityFinding
from data.contracts.policy import RulePack
from data.contracts.prices import PriceTable
from tools.affordability import affordable_principal, with_other_terms
from tools.amortization import to_cents
from tools.base import tool
from tools.facts import facts_with_terms
from tools.policy import evaluate, hits_on_terms
from tools.pricing import priced

MOST_OPTIONS = 3


@tool()
def search_counter_offers(
    pack: RulePack,
    prices: PriceTable,
    facts: PolicyFacts,
    ability: AffordabilityFinding,
    *,
    grade: Grade | None,
    as_of: date,
) -> tuple[Offer, ...]:
    """Up to three options, that of the requested term first, each larger than the one before.

    Empty when the request itself passes every rule on its terms, or nothing smaller does.
    """

    def option(term_months: int, amount: Decimal) -> Offer | None:
        return _passing_offer(pack, prices, facts, ability, amount, term_months, grade, as_of)

    if option(facts.term_months, facts.amount_requested) is not None:
        return ()
    step, found = prices.counter_offer_step, list[Offer]()
    longer = [term for term in prices.terms if term > facts.term_months]
    for term in (facts.term_months, *longer):
        best = _largest(
            _most(pack, prices, facts, ability, grade, term),
            pack.affordability.smallest_amount,
            step,
            partial(option, term),
        )
        if best is not None and (not found or best.amount > found[-1].amount):
            found.append(best)
    return tuple(found[:MOST_OPTIONS])


def _largest(
    most: Decimal, least: Decimal, step: Decimal, option: Callable[[Decimal], Offer | None]
) -> Offer | None:
    """The option for the largest multiple of `step` that passes.

    Relies on a smaller amount never failing where a larger one passes.
    """
    low, high = _steps(least + step - Decimal("0.01"), step), _steps(most, step)
    if low > high:
        return None
    if (best := option(high * step)) is not None:
        return best
    best = option(low * step)
    while best is not None and high - low > 1:
        middle = (low + high) // 2
        if (better := option(middle * step)) is not None:
            best, low = better, middle
        else:
            high = middle
    return best


def _steps(amount: Decimal, step: Decimal) -> int:
    return int((amount / step).to_integral_value(ROUND_FLOOR))


def _most(
    pack: RulePack,
    prices: PriceTable,
    facts: PolicyFacts,
    ability: AffordabilityFinding,
    grade: Grade | None,
    term_months: int,
) -> Decimal:
    """An amount beyond which it is not worth looking."""
    affordable = affordable_principal(
        ability.verified_income,
        ability.obligations + ability.housing,
        pack.affordability,
        term_months=term_months,
        annual_rate=prices.lowest_rate,
    )
    limit = facts.amount_requested if facts.income_limit is None else facts.income_limit
    return min(facts.amount_requested, affordable, limit)


def _passing_offer(
    pack: RulePack,
    prices: PriceTable,
    facts: PolicyFacts,
    ability: AffordabilityFinding,
    amount: Decimal,
    term_months: int,
    grade: Grade | None,
    as_of: date,
) -> Offer | None:
    try:
        offer = priced(
            prices,
            amount=to_cents(amount),
            term_months=term_months,
            grade=grade,
            state=facts.state,
            covered_borrower=facts.covered_borrower,
            as_of=as_of,
        )
    except ToolError:
        return None
    carried = with_other_terms(
        ability,
        pack.affordability,
        amount=amount,
        term_months=term_months,
        annual_rate=offer.rate,
    )
    terms = facts_with_terms(facts, carried, amount=amount, term_months=term_months)
    return None if hits_on_terms(evaluate(pack, terms, as_of)) else offer
