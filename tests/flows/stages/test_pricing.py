"""Pricing: the terms asked for, and to the cent the terms that an underwriter has set."""

from __future__ import annotations

from decimal import Decimal

from data.contracts.decision import AdjustedTerms
from flows.stages.policy import apply_policy
from flows.stages.pricing import price
from flows.stages.review import review_case
from tests.flows.inline import Says, persona
from tests.flows.stages.at_work import at_work, gathered


async def test_unchanged_terms_are_priced_as_asked_for() -> None:
    with at_work():
        case, intake, evidence = await gathered(persona("ada-prime"))
        policy = await apply_policy(case, intake, evidence)
        pricing = await price(case, policy, evidence, None)

    assert pricing.offer is None
    best = pricing.finding.offers[0]
    assert (best.amount, best.term_months) == (Decimal("10000.00"), case.application.term_months)


async def test_an_adjusted_amount_keeps_the_term_and_has_its_own_payment() -> None:
    with at_work(Says("underwriter", "adjust", more={"amount": 9000.0})):
        case, intake, evidence = await gathered(persona("bora-borderline"))
        policy = await apply_policy(case, intake, evidence)
        review = await review_case(case, policy, evidence, ())
        pricing = await price(case, policy, evidence, review.adjusted)

    offer = pricing.offer
    assert offer is not None
    assert offer.amount == Decimal("9000.00")
    assert offer.term_months == case.application.term_months
    assert offer.finance_charge == offer.total_of_payments - (offer.amount - offer.fee)


async def test_a_rate_that_an_underwriter_set_is_the_rate_of_the_offer() -> None:
    golden = AdjustedTerms(amount=Decimal("15000.00"), term_months=48, rate=Decimal("0.1299"))
    adjusts = Says(
        "underwriter", "adjust", more={"amount": 15000.0, "term_months": 48, "rate": 0.1299}
    )
    with at_work(adjusts):
        case, intake, evidence = await gathered(persona("bora-borderline"))
        policy = await apply_policy(case, intake, evidence)
        review = await review_case(case, policy, evidence, ())
        pricing = await price(case, policy, evidence, review.adjusted)

    assert review.adjusted == golden
    assert pricing.offer is not None
    assert pricing.offer.rate == Decimal("0.1299")
    assert pricing.offer.payment == Decimal("402.34")
