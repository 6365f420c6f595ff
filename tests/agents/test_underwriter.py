"""The pricer's offers, and the decisions that the decision writer writes or refuses."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from agents.underwriter import DecisionWriter, Pricer
from data.contracts.bureau import BureauScore, BureauStatus, ScoreFactor
from data.contracts.decision import (
    Condition,
    Grade,
    HumanRuling,
    Offer,
    Outcome,
    RequestedTerms,
    Versions,
)
from data.contracts.errors import AgentError
from data.contracts.facts import PolicyFacts
from data.contracts.findings import BureauFinding, FindingStatus, PricingFinding
from data.contracts.policy import (
    PolicyResult,
    ReasonCode,
    Recommendation,
    RuleOutcome,
    RuleResult,
    RuleStatus,
    Severity,
    Stipulation,
)
from data.contracts.questions import DecisionQuestion, PricingQuestion
from data.settings import Settings
from tools.policy import load_policy
from tools.pricing import load_prices, price_offer

DATA = Settings().data_dir
PACK = load_policy(DATA)
PRICES = load_prices(DATA)
AS_OF = date(2026, 11, 2)
FACTS = PolicyFacts.model_validate(
    {
        "product": "personal_loan",
        "amount_requested": "15000",
        "term_months": 48,
        "state": "IL",
        "youngest_age": 40,
        "covered_borrower": False,
    }
)


def _offer(amount: str = "15000.00", months: int = 48) -> Offer:
    return price_offer(
        PRICES,
        amount=Decimal(amount),
        term_months=months,
        grade=Grade.C,
        state="IL",
        covered_borrower=False,
        as_of=AS_OF,
    )


def _policy(recommendation: Recommendation, **changes: Any) -> PolicyResult:
    return PolicyResult.model_validate(
        {
            "recommendation": recommendation,
            "results": (),
            "pack_id": PACK.id,
            "pack_version": PACK.version,
            "pack_sha256": "0" * 64,
        }
        | changes
    )


def _question(outcome: Outcome, policy: PolicyResult | None, **changes: Any) -> DecisionQuestion:
    return DecisionQuestion.model_validate(
        {
            "inputs_sha256": "1" * 64,
            "as_of_date": AS_OF,
            "versions": Versions(code="test"),
            "requested": RequestedTerms.model_validate(
                {"product": "personal_loan", "amount": "15000", "term_months": 48}
            ),
            "outcome": outcome,
            "policy": policy,
            "pricing": PricingFinding(
                agent="underwriter.pricing",
                agent_version="1",
                offers=(_offer(),),
                counter_offers=(_offer("9000.00"), _offer("11000.00", 60)),
            ),
        }
        | changes
    )


async def test_the_requested_loan_is_priced_even_without_a_known_income() -> None:
    found = await Pricer(PACK, PRICES).run(
        PricingQuestion(
            facts=FACTS,
            grade=Grade.C,
            ability=None,
            as_of_date=AS_OF,
        )
    )

    assert found.offers == (_offer(),)
    assert found.counter_offers == ()


async def test_a_loan_without_a_lawful_price_gives_a_warning() -> None:
    caps = PRICES.apr_caps.model_copy(update={"lender": Decimal("0.01")})
    prices = PRICES.model_copy(update={"apr_caps": caps})

    found = await Pricer(PACK, prices).run(
        PricingQuestion(
            facts=FACTS,
            grade=Grade.C,
            ability=None,
            as_of_date=AS_OF,
        )
    )

    assert found.offers == ()
    assert found.status is FindingStatus.DEGRADED
    assert found.warnings == ("no_lawful_price",)


async def test_an_approval_carries_the_offer_and_the_stipulations() -> None:
    policy = _policy(
        Recommendation.APPROVE,
        stipulations=(Stipulation(code="confirm_income", text="Confirm your income."),),
    )

    content = await DecisionWriter().run(_question(Outcome.APPROVE, policy))

    assert content.offer == _offer()
    assert content.alternatives == ()
    assert content.principal_reasons == ()
    assert [condition.code for condition in content.conditions] == ["confirm_income"]


async def test_terms_that_a_person_changed_take_the_place_of_the_requested() -> None:
    question = _question(
        Outcome.APPROVE, _policy(Recommendation.REFER), offer=_offer("8000.00", 36)
    )

    assert (await DecisionWriter().run(question)).offer == _offer("8000.00", 36)


async def test_a_counter_offer_gives_its_reasons_and_the_other_options() -> None:
    policy = _policy(Recommendation.COUNTER_OFFER, reasons=(ReasonCode.EXCESSIVE_OBLIGATIONS,))

    content = await DecisionWriter().run(_question(Outcome.COUNTER_OFFER, policy))

    assert content.offer == _offer("9000.00")
    assert content.alternatives == (_offer("11000.00", 60),)
    assert content.principal_reasons == (ReasonCode.EXCESSIVE_OBLIGATIONS,)


async def test_a_decline_of_the_policy_gives_the_reasons_of_the_policy() -> None:
    reasons = (ReasonCode.FRAUD_SUSPECTED, ReasonCode.BANKRUPTCY)

    content = await DecisionWriter().run(
        _question(Outcome.DECLINE, _policy(Recommendation.DECLINE, reasons=reasons))
    )

    assert content.principal_reasons == (
        ReasonCode.IDENTITY_UNVERIFIABLE,
        ReasonCode.BANKRUPTCY,
    )
    assert content.offer is None


def _ruling(reason_code: str) -> HumanRuling:
    return HumanRuling(
        gate="underwriter",
        decision="decline",
        role="underwriter",
        reviewer="reviewer-7",
        reason_code=reason_code,
    )


@pytest.mark.parametrize(
    ("reason_code", "reasons"),
    [
        ("R07", (ReasonCode.LENGTH_OF_EMPLOYMENT,)),
        ("judgement", (ReasonCode.LIMITED_CREDIT_EXPERIENCE,)),
        ("X_VELOCITY", (ReasonCode.IDENTITY_UNVERIFIABLE,)),
    ],
)
async def test_a_person_who_declines_gives_the_reason_if_it_is_one(
    reason_code: str, reasons: tuple[ReasonCode, ...]
) -> None:
    policy = _policy(Recommendation.REFER, reasons=(ReasonCode.LIMITED_CREDIT_EXPERIENCE,))

    content = await DecisionWriter().run(
        _question(Outcome.DECLINE, policy, rulings=(_ruling(reason_code),))
    )

    assert content.principal_reasons == reasons


async def test_the_memo_names_roles_and_not_people() -> None:
    content = await DecisionWriter().run(
        _question(Outcome.DECLINE, _policy(Recommendation.REFER), rulings=(_ruling("R07"),))
    )

    assert "decline by a underwriter" not in content.memo
    assert "by an underwriter" in content.memo
    assert "reviewer-7" not in content.memo


async def test_an_incomplete_case_says_what_is_missing() -> None:
    content = await DecisionWriter().run(
        _question(
            Outcome.INCOMPLETE,
            None,
            conditions=(Condition(code="proof_of_income", text="A recent paystub."),),
        )
    )

    assert content.recommendation is None
    assert content.principal_reasons == (ReasonCode.APPLICATION_INCOMPLETE,)
    assert [condition.code for condition in content.conditions] == ["proof_of_income"]
    assert content.offer is None


async def test_a_withdrawn_application_ends_without_reasons_or_offer() -> None:
    content = await DecisionWriter().run(
        _question(Outcome.WITHDRAWN, _policy(Recommendation.APPROVE))
    )

    assert content.principal_reasons == ()
    assert content.offer is None


HARD = RuleResult(
    rule_id="sanctions-true-match",
    rule_version=1,
    status=RuleStatus.HIT,
    outcome=RuleOutcome.DECLINE,
    severity=Severity.HARD,
    reason=ReasonCode.SANCTIONS_MATCH,
    inputs={"watchlist_status": "true_match"},
)


@pytest.mark.parametrize("outcome", [Outcome.APPROVE, Outcome.COUNTER_OFFER])
async def test_no_credit_is_written_down_against_a_hard_rule(outcome: Outcome) -> None:
    policy = _policy(Recommendation.DECLINE, results=(HARD,))

    with pytest.raises(AgentError, match="hard rule") as refused:
        await DecisionWriter().run(_question(outcome, policy))

    assert refused.value.agent == "underwriter.decision"


async def test_no_credit_is_written_down_without_the_policy() -> None:
    with pytest.raises(AgentError, match="without the policy"):
        await DecisionWriter().run(_question(Outcome.APPROVE, None))


@pytest.mark.parametrize("outcome", [Outcome.APPROVE, Outcome.COUNTER_OFFER])
async def test_no_credit_is_written_down_without_an_offer(outcome: Outcome) -> None:
    question = _question(outcome, _policy(Recommendation.APPROVE), pricing=None)

    with pytest.raises(AgentError, match="without an offer"):
        await DecisionWriter().run(question)


def _bureau(*texts: str) -> BureauFinding:
    factors = tuple(ScoreFactor(code=f"F{n}", text=text) for n, text in enumerate(texts))
    return BureauFinding(
        agent="credit_risk.bureau",
        agent_version="1",
        bureau_status=BureauStatus.HIT,
        bureau="Bureau",
        score=BureauScore(value=640, model="Score", scored_on=AS_OF, factors=factors),
    )


@pytest.mark.parametrize(("fifth", "shown"), [("Too many inquiries", 5), ("Short history", 4)])
async def test_inquiries_are_disclosed_as_a_fifth_factor(fifth: str, shown: int) -> None:
    question = _question(
        Outcome.DECLINE,
        _policy(Recommendation.DECLINE),
        bureau=_bureau("one", "two", "three", "four", fifth),
    )

    disclosure = (await DecisionWriter().run(question)).score_disclosure

    assert disclosure is not None
    assert disclosure.provider == "Bureau"
    assert len(disclosure.factors) == shown
