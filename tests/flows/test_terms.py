"""Terms that a person would grant: priced to the cent, held against every rule, or refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from data.contracts.application import Application
from data.contracts.decision import AdjustedTerms
from data.contracts.errors import AnswerRejectedError
from data.contracts.policy import Recommendation, RuleStatus, Severity
from data.settings import settings
from flows.case import ReviewCase
from flows.rulebook import current_rulebook
from flows.terms import OnTerms, judged, on_terms
from tests.flows.inline import persona
from tests.flows.stages.at_work import at_work, gathered

BOOK = current_rulebook(settings().data_dir)


@pytest.fixture(scope="module")
async def bora() -> ReviewCase:
    """Grade E, in Illinois; asks for 12,000 over 48 months and may have 18,900."""
    with at_work():
        case, _, evidence = await gathered(persona("bora-borderline"))
    return ReviewCase(case, evidence, BOOK)


def granted(review_case: ReviewCase, **terms: Any) -> OnTerms:
    adjusted = AdjustedTerms(**terms) if terms else None
    return on_terms(review_case.rulebook, review_case.case, review_case.evidence, adjusted)


def refused(review_case: ReviewCase, **terms: Any) -> str:
    """The field that a refusal names."""
    with pytest.raises(AnswerRejectedError) as caught:
        granted(review_case, **terms)
    return caught.value.field


def asking(review_case: ReviewCase, **changes: Any) -> ReviewCase:
    """The same applicant with another application."""
    plain = review_case.case.application.model_dump() | changes
    application = Application.model_validate(plain)
    return replace(
        review_case, case=review_case.case.model_copy(update={"application": application})
    )


def test_terms_as_asked_for_are_priced_and_judged_as_they_were(bora: ReviewCase) -> None:
    terms = granted(bora)

    assert (terms.offer.amount, terms.offer.term_months) == (Decimal("12000.00"), 48)
    assert terms.offer.rate == Decimal("0.2249")
    assert terms.policy == judged(bora.rulebook, bora.case, bora.evidence)
    assert not terms.is_override


def test_changed_terms_are_judged_by_the_payment_that_they_have(bora: ReviewCase) -> None:
    terms = granted(bora, term_months=12)

    hit = {result.rule_id for result in terms.policy.results if result.status is RuleStatus.HIT}
    assert "dti-above-limit" in hit
    assert terms.is_override
    assert terms.ability is not None
    assert terms.ability.payment == terms.offer.payment


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"amount": "18900.01"}, "amount"),
        ({"amount": "999.99"}, "amount"),
        ({"term_months": 1}, "term_months"),
        ({"term_months": 11}, "term_months"),
        ({"term_months": 61}, "term_months"),
        ({"rate": "0.05"}, "rate"),
        ({"rate": "0.3"}, "rate"),
        ({"rate": "0.2999", "term_months": 12}, "rate"),
    ],
)
def test_what_cannot_be_lent_is_refused_by_its_field(
    bora: ReviewCase, terms: dict[str, Any], field: str
) -> None:
    assert refused(bora, **terms) == field


@pytest.mark.parametrize("terms", [{"rate": "0.2249"}, {"term_months": 60}])
def test_whatever_is_adjusted_the_amount_has_to_be_one_that_is_lent(
    bora: ReviewCase, terms: dict[str, Any]
) -> None:
    greedy = asking(bora, amount_requested="20000.00")

    assert refused(greedy, **terms) == "amount"
    assert refused(greedy) == "decision"
    assert granted(greedy, amount="18900.00", **terms).offer.amount == Decimal("18900.00")


def test_a_state_has_a_ceiling_of_its_own(bora: ReviewCase) -> None:
    (applicant,) = bora.case.application.applicants
    albany = {"city": "Albany", "state": "NY", "postal_code": "12207"}
    home = applicant.addresses[0].model_copy(update=albany)
    in_new_york = asking(bora, applicants=(applicant.model_copy(update={"addresses": (home,)}),))

    assert refused(in_new_york, rate="0.2199") == "rate"
    assert granted(bora, rate="0.2199").offer.apr > Decimal("0.25")
    assert granted(in_new_york, amount="9000.00").offer.apr <= Decimal("0.25")


@pytest.mark.parametrize("is_covered", [True, None], ids=["covered", "not known"])
def test_a_covered_borrower_has_a_ceiling_of_their_own(
    bora: ReviewCase, is_covered: bool | None
) -> None:
    caps = BOOK.prices.apr_caps.model_copy(update={"covered_borrower": Decimal("0.2")})
    prices = BOOK.prices.model_copy(update={"apr_caps": caps})
    careful = replace(bora, rulebook=BOOK.model_copy(update={"prices": prices}))
    applicant = bora.case.application.primary.model_copy(
        update={"military_covered_borrower": is_covered}
    )
    application = bora.case.application.model_copy(update={"applicants": (applicant,)})
    soldier = replace(careful, case=bora.case.model_copy(update={"application": application}))

    assert refused(soldier, rate="0.2199") == "rate"
    assert granted(careful, rate="0.2199").offer.rate == Decimal("0.2199")


def test_where_no_rate_is_low_enough_the_term_is_too_short(bora: ReviewCase) -> None:
    caps = BOOK.prices.apr_caps.model_copy(update={"states": {"IL": Decimal("0.16")}})
    prices = BOOK.prices.model_copy(update={"apr_caps": caps})
    strict = replace(bora, rulebook=BOOK.model_copy(update={"prices": prices}))

    assert refused(strict, term_months=12) == "term_months"
    assert refused(strict, amount="9000.00", term_months=12) == "term_months"
    assert granted(strict, term_months=48).offer.apr <= Decimal("0.16")


def test_terms_that_break_a_hard_rule_are_refused_at_the_gate(bora: ReviewCase) -> None:
    rules = tuple(
        rule.model_copy(update={"severity": Severity.HARD})
        if rule.id == "dti-above-limit"
        else rule
        for rule in BOOK.policy.rules
    )
    policy = BOOK.policy.model_copy(update={"rules": rules})
    hard = replace(bora, rulebook=BOOK.model_copy(update={"policy": policy}))

    assert refused(hard, term_months=12) == "term_months"
    assert not granted(hard, term_months=60).is_override


async def test_after_a_clearing_the_policy_runs_without_the_watchlist_hit() -> None:
    with at_work():
        case, _, evidence = await gathered(persona("pat-potential"))
    cleared = evidence.model_copy(update={"cleared": True})

    assert judged(BOOK, case, evidence).recommendation is Recommendation.REFER
    terms = on_terms(BOOK, case, cleared, AdjustedTerms(amount=Decimal("5000.00")))
    assert terms.policy.recommendation is Recommendation.APPROVE
