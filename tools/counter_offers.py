"""Counter-offers: the largest amount that passes the policy, for the requested and longer terms.

Every option is priced and evaluated by the whole policy, so the policy would approve every
counter-offer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial

from data.contracts.decision import Grade, Offer
from data.contracts.errors import ToolError
from data.contracts.facts import PolicyFacts
from data.contracts.findings import AffordabilityFinding
from data.contracts.policy import RulePack
from data.contracts.prices import PriceTable
from data.rounding import cents, whole_steps
from tools.affordability import affordable_principal, with_other_terms
from tools.base import tool
from tools.facts import facts_with_terms
from tools.policy import passes_on_terms
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
    first_payment_on: date | None = None,
) -> tuple[Offer, ...]:
    """Up to three options, the requested term first, each with a larger amount than the last.

    Empty when the request itself passes every rule about its terms, or when no smaller loan does.
    """

    def option(term_months: int, amount: Decimal) -> Offer | None:
        price = partial(
            priced,
            prices,
            grade=grade,
            state=facts.state,
            covered_borrower=facts.covered_borrower is not False,
            as_of=as_of,
            first_payment_on=first_payment_on,
        )
        return _passing_offer(pack, price, facts, ability, amount, term_months, as_of)

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

    The binary search assumes that an amount passes whenever a larger amount passes.
    """
    low, high = whole_steps(least + step - Decimal("0.01"), step), whole_steps(most, step)
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


def _most(
    pack: RulePack,
    prices: PriceTable,
    facts: PolicyFacts,
    ability: AffordabilityFinding,
    grade: Grade | None,
    term_months: int,
) -> Decimal:
    """An upper limit for the search."""
    affordable = affordable_principal(
        ability.verified_income,
        ability.obligations + ability.housing,
        pack.affordability,
        term_months=term_months,
        annual_rate=prices.lowest_rate,
        first_months=ability.first_months,
    )
    limit = facts.amount_requested if facts.income_limit is None else facts.income_limit
    return min(facts.amount_requested, affordable, limit)


def _passing_offer(
    pack: RulePack,
    price: Callable[..., Offer],
    facts: PolicyFacts,
    ability: AffordabilityFinding,
    amount: Decimal,
    term_months: int,
    as_of: date,
) -> Offer | None:
    try:
        offer = price(amount=cents(amount), term_months=term_months)
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
    return offer if passes_on_terms(pack, terms, as_of) else None
