"""Every persona runs through all agents and the policy, as plain calls, with expected results."""

from dataclasses import dataclass
from datetime import date

import pytest

from agents.credit_risk import (
    AffordabilityAnalyst,
    BureauReader,
    ChallengerMember,
    ScorecardMember,
    combine_risk,
)
from agents.doc_intake import DocIntakeAgent
from agents.fraud import FraudAgent
from agents.income import IncomeAgent
from agents.kyc import KycAgent
from agents.underwriter import DecisionWriter, Pricer
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile, Persona
from data.contracts.decision import DecisionContent, Grade, Outcome, RequestedTerms, Versions
from data.contracts.errors import ToolUnavailableError
from data.contracts.facts import PolicyFacts
from data.contracts.findings import (
    BureauFinding,
    Completeness,
    DocIntakeFinding,
    PricingFinding,
    RiskFinding,
    Verification,
)
from data.contracts.policy import PolicyResult, ReasonCode, Recommendation
from data.contracts.questions import DecisionQuestion, PricingQuestion, ScoringQuestion
from data.contracts.screening import WatchlistStatus
from data.settings import Settings
from data.synthetic.builder import Person, licence, paystub
from tools.affordability import affordability_question
from tools.case_files import case_ids, load_persona
from tools.ensemble import load_ensemble
from tools.facts import policy_facts
from tools.notices import compose_notices, load_notice_terms
from tools.policy import evaluate_policy, hard_stop, load_policy, principal_reasons
from tools.pricing import load_prices
from tools.scorecard import load_challenger, load_scorecard
from tools.watchlist import Watchlists

DATA = Settings().data_dir
PACK = load_policy(DATA)
PRICES = load_prices(DATA)
ENSEMBLE = load_ensemble(DATA)
MODELS = {
    name: (
        load_scorecard(DATA / "models" / f"scorecard-{name}.json"),
        load_challenger(DATA / "models" / f"challenger-{name}.json"),
    )
    for name in ("v1", "v2")
}
LISTS = Watchlists.shipped(DATA)

OUTCOMES = {
    Recommendation.APPROVE: Outcome.APPROVE,
    Recommendation.REFER: Outcome.DECLINE,
    Recommendation.DECLINE: Outcome.DECLINE,
    Recommendation.COUNTER_OFFER: Outcome.COUNTER_OFFER,
    Recommendation.INCOMPLETE: Outcome.INCOMPLETE,
}
"""The outcomes when every reviewer declines."""


@dataclass(frozen=True)
class Judged:
    intake: DocIntakeFinding
    verification: Verification
    bureau: BureauFinding | None
    risk: RiskFinding | None
    facts: PolicyFacts
    policy: PolicyResult
    pricing: PricingFinding
    content: DecisionContent


async def decide(case: CaseFile, models: str = "v2") -> Judged:
    """All stages in their order, without gates."""
    application = case.application
    intake = await DocIntakeAgent().run(case)
    facts = policy_facts(application, PACK, PRICES)
    stopped = hard_stop(evaluate_policy(PACK, facts, application.as_of_date))
    verification, bureau, risk = Verification(), None, None
    if not stopped:
        verification = Verification(
            kyc=await KycAgent(LISTS).run(case),
            fraud=await FraudAgent().run(case),
            income=await IncomeAgent().run(case),
        )
        try:
            bureau = await BureauReader().run(case)
        except ToolUnavailableError:
            bureau = None
        risk = await _risk(case, verification, bureau, models)
        facts = policy_facts(application, PACK, PRICES, verification, bureau, risk)
    factors = risk.key_factors if risk else ()
    policy = evaluate_policy(PACK, facts, application.as_of_date, factors)
    pricing = await Pricer(PACK, PRICES).run(
        PricingQuestion(
            facts=facts,
            grade=risk.grade if risk else None,
            ability=risk.ability if risk else None,
            as_of_date=application.as_of_date,
        )
    )
    content = await DecisionWriter().run(
        DecisionQuestion(
            inputs_sha256=case.inputs_sha256(),
            as_of_date=application.as_of_date,
            versions=Versions(policy=PACK.version, price_table=PRICES.version, code="test"),
            requested=RequestedTerms(
                product=application.product,
                amount=application.amount_requested,
                term_months=application.term_months,
            ),
            outcome=OUTCOMES[policy.recommendation],
            policy=policy,
            risk=risk,
            bureau=bureau,
            pricing=pricing,
        )
    )
    return Judged(intake, verification, bureau, risk, facts, policy, pricing, content)


async def _risk(
    case: CaseFile, verification: Verification, bureau: BureauFinding | None, models: str
) -> RiskFinding:
    members, ability = [], None
    card, challenger = MODELS[models]
    if bureau is not None and bureau.attributes is not None:
        scoring = ScoringQuestion(attributes=bureau.attributes)
        members = [
            await ScorecardMember(card).run(scoring),
            await ChallengerMember(challenger).run(scoring),
        ]
    question = affordability_question(
        case.application,
        verification.income,
        bureau,
        PACK.affordability,
        PRICES.base_rate(PRICES.indicative_grade, case.application.term_months),
    )
    if question is not None:
        ability = await AffordabilityAnalyst(PACK.affordability).run(question)
    return combine_risk(members, ability, ENSEMBLE, PRICES, PACK.affordability)


def _completed(persona: Persona) -> CaseFile:
    """The case after the applicant has sent the documents that the `documents` gate asks for."""
    case = persona.case
    if "documents" not in persona.expected.gates:
        return case
    applicant = case.application.primary
    person = Person(
        applicant.first_name,
        applicant.last_name,
        applicant.ssn,
        str(applicant.employment.gross_monthly_stated),
        dob=applicant.dob,
        employer=applicant.employment.employer,
    )
    renewed = licence(person, document_id="renewed", expires=date(2030, 9, 23))
    stub = paystub(person).model_copy(update={"document_id": "paystub-again"})
    return case.with_document(renewed).with_document(stub)


IDS = case_ids(DATA)


@pytest.mark.parametrize("models", MODELS)
@pytest.mark.parametrize("persona_id", IDS)
async def test_every_persona_gets_the_recommendation_it_was_made_for(
    persona_id: str, models: str
) -> None:
    persona = load_persona(DATA, persona_id)
    expected = persona.expected

    judged = await decide(_completed(persona), models)

    assert judged.policy.recommendation is expected.recommendation
    if expected.outcome is not None:
        assert judged.content.outcome is expected.outcome
    if expected.grade is not None:
        assert judged.risk is not None
        assert judged.risk.grade is expected.grade
    assert set(expected.reasons) <= set(judged.content.principal_reasons)
    by_id = {rule.id: rule.reason for rule in PACK.rules}
    referred = {by_id[rule_id] for rule_id in judged.policy.refer_reasons}
    assert set(expected.refer_reasons) <= referred | set(judged.policy.reasons)
    asked = set(expected.gates) - {"documents", "second_approval"}
    assert set(judged.policy.gates) == asked
    if expected.offer_amount is not None:
        assert judged.content.offer is not None
        assert judged.content.offer.amount == expected.offer_amount


@pytest.mark.parametrize("persona_id", IDS)
async def test_only_incomplete_cases_go_to_the_documents_gate(persona_id: str) -> None:
    persona = load_persona(DATA, persona_id)

    intake = await DocIntakeAgent().run(persona.case)

    complete = intake.completeness is Completeness.COMPLETE
    assert complete is ("documents" not in persona.expected.gates)


@pytest.mark.parametrize("persona_id", IDS)
async def test_equal_cases_give_byte_identical_decisions(persona_id: str) -> None:
    persona = load_persona(DATA, persona_id)

    once = await decide(_completed(persona))
    again = await decide(_completed(persona).renamed("another-id"))

    assert canonical_json(once.content) == canonical_json(again.content)


@pytest.mark.parametrize("persona_id", IDS)
async def test_no_decision_names_the_applicant(persona_id: str) -> None:
    persona = load_persona(DATA, persona_id)
    judged = await decide(_completed(persona))

    written = canonical_json(judged.content).decode().casefold()

    for applicant in persona.application.applicants:
        private = (
            applicant.full_name,
            applicant.ssn,
            applicant.email,
            applicant.phone,
            applicant.addresses[0].line1,
        )
        assert not [value for value in private if value and value.casefold() in written]


@pytest.mark.parametrize("persona_id", IDS)
async def test_no_letter_mentions_the_findings_of_compliance_or_fraud(persona_id: str) -> None:
    judged = await decide(_completed(load_persona(DATA, persona_id)))

    notices = compose_notices(judged.content, load_notice_terms(DATA), judged.content.as_of_date)

    assert notices
    text = " ".join(notice.text + notice.html for notice in notices).casefold()
    assert not [word for word in ("fraud", "sanction", "watchlist", "x_", "r99") if word in text]


async def test_an_applicant_on_the_sanctions_list_gets_no_credit_reason() -> None:
    judged = await decide(load_persona(DATA, "sam-sanction").case)

    assert judged.policy.reasons == (ReasonCode.SANCTIONS_MATCH,)
    assert judged.content.principal_reasons == ()
    assert hard_stop(judged.policy)


async def test_a_namesake_is_cleared_by_the_date_of_birth() -> None:
    judged = await decide(load_persona(DATA, "sam-namesake").case)

    assert judged.facts.watchlist_status is WatchlistStatus.CLEAR


async def test_nothing_is_pulled_on_a_minor() -> None:
    judged = await decide(load_persona(DATA, "minnie-minor").case)

    assert judged.bureau is None
    assert judged.content.principal_reasons == (ReasonCode.BELOW_LEGAL_AGE,)


async def test_synthetic_identities_are_declined_without_the_word_fraud() -> None:
    judged = await decide(load_persona(DATA, "syd-synthetic").case)

    assert judged.policy.reasons[0] is ReasonCode.FRAUD_SUSPECTED
    assert judged.content.principal_reasons[0] is ReasonCode.IDENTITY_UNVERIFIABLE


async def test_connie_is_offered_what_she_affords_and_longer_terms_beside_it() -> None:
    judged = await decide(load_persona(DATA, "connie-counter").case)

    assert judged.risk is not None
    assert judged.risk.ability is not None
    assert judged.risk.grade is Grade.C
    assert str(judged.risk.ability.max_principal) == "12526.78"
    offers = judged.pricing.counter_offers
    assert [(str(offer.amount), offer.term_months) for offer in offers] == [
        ("12500.00", 48),
        ("14600.00", 60),
    ]


async def test_bora_has_a_default_risk_of_eight_per_cent_and_a_tight_budget() -> None:
    judged = await decide(load_persona(DATA, "bora-borderline").case)

    assert judged.facts.pd is not None
    assert judged.facts.dti_after is not None
    assert 0.075 <= judged.facts.pd <= 0.085
    assert 0.43 < judged.facts.dti_after < 0.45


async def test_reasons_of_the_policy_are_those_of_the_letter() -> None:
    judged = await decide(load_persona(DATA, "bella-bankrupt").case)

    assert judged.content.principal_reasons == principal_reasons(judged.policy.reasons)
    assert judged.content.principal_reasons[0] is ReasonCode.BANKRUPTCY
