"""Prices through the real flow: no loan below its cost, and a first payment on a chosen day."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.contracts.case import CaseFile
from data.contracts.decision import Offer, Outcome
from data.contracts.policy import ReasonCode, RuleOutcome, RuleStatus
from data.settings import settings as desk_settings
from flows.inline import Decided, underwrite_inline
from flows.rulebook import current_rulebook
from flows.terms import judged
from tests.flows.inline import Underwritten, persona, underwritten

BOOK = current_rulebook(desk_settings().data_dir)


def _asks(name: str, **differs: Any) -> CaseFile:
    """A persona who asks for other terms."""
    content = persona(name).case.model_dump(mode="json")
    content["application"] |= differs
    return CaseFile.model_validate(content)


def _offer(done: Underwritten) -> Offer:
    assert done.content.offer is not None
    return done.content.offer


async def test_a_chosen_first_payment_reaches_offer_and_apr() -> None:
    ordinary = _offer(await underwritten(_asks("ada-prime")))
    later = _offer(await underwritten(_asks("ada-prime", first_payment_on="2026-12-17")))

    assert ordinary.first_payment_on is None
    assert str(later.first_payment_on) == "2026-12-17"
    assert later.payment > ordinary.payment
    assert later.rate == ordinary.rate
    assert later.apr != ordinary.apr


@pytest.mark.parametrize("day", ["2026-11-02", "2026-11-11", "2027-01-04"])
def test_a_first_payment_too_soon_or_too_late_is_refused(day: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _asks("ada-prime", first_payment_on=day)

    assert refused.value.errors()[0]["loc"][-1] == "first_payment_on"


def test_a_case_without_a_chosen_day_has_the_digest_that_it_had() -> None:
    case = _asks("ada-prime")

    assert "first_payment_on" not in case.model_dump()["application"]
    assert case.inputs_sha256() != _asks("ada-prime", first_payment_on="2026-12-17").inputs_sha256()


_TERMS = st.fixed_dictionaries(
    {
        "amount_requested": st.integers(10, 500).map(lambda hundreds: f"{hundreds}00.00"),
        "term_months": st.integers(12, 60),
    },
    optional={
        "first_payment_on": st.dates(date(2026, 11, 12), date(2027, 1, 3)).map(str),
    },
)


@given(st.sampled_from(["ada-prime", "ben-midland", "connie-counter", "stella-stress"]), _TERMS)
@settings(max_examples=40, deadline=None)
def test_every_offer_passes_every_rule_that_declines_and_covers_its_cost(
    name: str, terms: dict[str, Any]
) -> None:
    case = _asks(name, **terms)

    done = asyncio.run(underwritten(case))

    assume(done.is_decided and done.content.offer is not None)
    offer = _offer(done)
    policy = judged(BOOK, case, done.run.state.evidence, offer)
    assert offer.rate >= BOOK.prices.floor_of(offer.grade)
    assert not [
        result.rule_id
        for result in policy.results
        if result.status is RuleStatus.HIT and result.outcome is RuleOutcome.DECLINE
    ]


@pytest.mark.parametrize(
    ("ceiling", "outcome", "term"),
    [
        ("0.36", Outcome.APPROVE, 12),
        ("0.13", Outcome.COUNTER_OFFER, 24),
        ("0.08", Outcome.DECLINE, None),
    ],
)
async def test_where_no_price_covers_the_cost_a_longer_term_is_offered_or_the_loan_refused(
    ceiling: str, outcome: Outcome, term: int | None
) -> None:
    caps = BOOK.prices.apr_caps
    lower = caps.model_copy(update={"states": caps.states | {"IL": Decimal(ceiling)}})
    prices = BOOK.prices.model_copy(update={"apr_caps": lower})

    done = await underwrite_inline(
        _asks("ben-midland", term_months=12), BOOK.model_copy(update={"prices": prices})
    )

    assert isinstance(done, Decided)
    offer = done.content.offer
    assert done.content.outcome is outcome
    assert (offer.term_months if offer else None) == term
    if outcome is not Outcome.APPROVE:
        assert done.content.principal_reasons == (ReasonCode.TERMS_NOT_OFFERED,)
