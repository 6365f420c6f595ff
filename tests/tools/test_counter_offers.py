"""Counter-offers are the largest loans that pass the policy."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.decision import Grade, Offer
from data.contracts.facts import PolicyFacts
from data.contracts.findings import AffordabilityFinding
from data.contracts.policy import RulePack
from data.contracts.questions import AffordabilityQuestion
from data.settings import Settings
from tools.affordability import assess_affordability
from tools.amortization import level_payment
from tools.counter_offers import search_counter_offers
from tools.facts import facts_with_terms
from tools.policy import load_policy
from tools.pricing import load_prices

DATA = Settings().data_dir
PACK: RulePack = load_policy(DATA)
PRICES = load_prices(DATA)
AS_OF = date(2026, 11, 2)


def _ability(amount: str, months: int, **changes: Any) -> AffordabilityFinding:
    question = AffordabilityQuestion.model_validate(
        {
            "amount": amount,
            "term_months": months,
            "annual_rate": PRICES.base_rate(Grade.C, months),
            "verified_income": "5200",
            "net_income": "4056",
            "obligations": "700",
            "housing": "1200",
            "dependents": 0,
        }
        | changes
    )
    return AffordabilityFinding(
        agent="credit_risk.affordability",
        agent_version="1",
        **question.model_dump(exclude={"adults", "dependents"}),
        **vars(assess_affordability(question, PACK.affordability)),
    )


def _search(amount: str = "25000", months: int = 48, **changes: Any) -> tuple[Offer, ...]:
    ability = _ability(amount, months, **changes)
    plain = PolicyFacts.model_validate(
        {
            "product": "personal_loan",
            "amount_requested": amount,
            "term_months": months,
            "state": "IL",
            "youngest_age": 40,
            "covered_borrower": False,
            "income_limit": "21840",
        }
    )
    facts = facts_with_terms(plain, ability, amount=Decimal(amount), term_months=months)
    return search_counter_offers(PACK, PRICES, facts, ability, grade=Grade.C, as_of=AS_OF)


def _terms(offers: tuple[Offer, ...]) -> list[tuple[str, int]]:
    return [(str(offer.amount), offer.term_months) for offer in offers]


def test_the_published_applicant_is_offered_12500() -> None:
    assert _terms(_search())[0] == ("12500.00", 48)


def test_a_longer_term_is_offered_beside_it_only_if_it_carries_more() -> None:
    offers = _search(months=24)

    assert [offer.term_months for offer in offers] == [24, 36, 48]
    assert [offer.amount for offer in offers] == sorted({offer.amount for offer in offers})


def test_a_request_that_passes_needs_no_other() -> None:
    assert _search(amount="12500") == ()


def test_where_not_even_the_smallest_loan_passes_nothing_is_offered() -> None:
    assert _search(obligations="1030") == ()


def test_a_living_floor_limits_an_offer_as_much_as_debt_to_income_does() -> None:
    (first, *_) = _search(net_income="2950")

    # Stressed by three points the payment may take 2,950 - 1,900 - 800 = 250.
    assert first.amount == Decimal("8800.00")


def test_more_than_the_income_limit_is_not_offered() -> None:
    offers = _search(obligations="0", housing="0", amount="30000")

    assert _terms(offers) == [("21800.00", 48)]


@given(st.integers(0, 900), st.sampled_from([12, 24, 36, 48, 60]))
def test_an_offer_is_the_largest_multiple_under_the_cap(obligations: int, months: int) -> None:
    """The payment keeps debts within 43 % of income. A loan larger by 100 dollars does not."""
    offers = _search(months=months, obligations=str(obligations), net_income="9000")
    room = Decimal("0.43") * 5200 - obligations - 1200

    assert offers
    for offer in offers:
        more = offer.amount + 100
        beyond = level_payment(more, offer.rate, offer.term_months) > room
        assert offer.payment <= room
        assert beyond or more > Decimal(21840)


@pytest.mark.parametrize("state", ["AR"])
def test_a_loan_without_a_price_is_not_offered(state: str) -> None:
    caps = PRICES.apr_caps.model_copy(update={"states": {state: Decimal("0.06")}})
    ability = _ability("25000", 48)
    facts = PolicyFacts.model_validate(
        {
            "product": "personal_loan",
            "amount_requested": "25000",
            "term_months": 48,
            "state": state,
            "youngest_age": 40,
            "covered_borrower": False,
        }
    )

    offers = search_counter_offers(
        PACK,
        PRICES.model_copy(update={"apr_caps": caps}),
        facts,
        ability,
        grade=Grade.C,
        as_of=AS_OF,
    )

    assert offers == ()
