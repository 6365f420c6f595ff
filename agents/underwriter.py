"""The underwriter: prices the loan, searches counter-offers, and writes the decision.

The agents do not decide. The pricer applies the price table. The decision writer records the
outcome of policy and review, and refuses an outcome that is not allowed.
"""

from __future__ import annotations

from typing import Any

from agents.base import Agent
from data.contracts.application import ApplicantRole
from data.contracts.bureau import BureauScore, BureauStatus
from data.contracts.decision import (
    SYSTEM,
    Condition,
    ConditionStatus,
    Consumer,
    DecisionContent,
    Offer,
    Outcome,
    ScoreDisclosure,
)
from data.contracts.errors import AgentError, ToolError
from data.contracts.findings import BureauFinding, FindingStatus, PricingFinding, ReportRead
from data.contracts.policy import ReasonCode, Recommendation, RulePack
from data.contracts.prices import PriceTable
from data.contracts.questions import DecisionQuestion, PricingQuestion
from tools.counter_offers import search_counter_offers
from tools.memo import compose_memo
from tools.policy import hard_stop, principal_reasons
from tools.pricing import price_offer

_KEY_FACTORS = 4


class Pricer(Agent[PricingQuestion, PricingFinding]):
    """Prices the requested loan and, when it does not pass the policy, smaller loans."""

    name = "underwriter"
    task = "pricing"

    def __init__(self, pack: RulePack, prices: PriceTable) -> None:
        self.pack = pack
        self.prices = prices

    async def answer(self, question: PricingQuestion) -> PricingFinding:
        facts = question.facts
        offers: tuple[Offer, ...] = ()
        counter_offers: tuple[Offer, ...] = ()
        warnings: tuple[str, ...] = ()
        try:
            offers = (
                price_offer(
                    self.prices,
                    amount=facts.amount_requested,
                    term_months=facts.term_months,
                    grade=question.grade,
                    state=facts.state,
                    covered_borrower=facts.covered_borrower is not False,
                    as_of=question.as_of_date,
                    first_payment_on=question.first_payment_on,
                ),
            )
        except ToolError:
            warnings = ("no_lawful_price",)
        if question.ability is not None and not (question.is_approved and offers):
            counter_offers = search_counter_offers(
                self.pack,
                self.prices,
                facts,
                question.ability,
                grade=question.grade,
                as_of=question.as_of_date,
                first_payment_on=question.first_payment_on,
            )
        return PricingFinding(
            agent=self.label,
            agent_version=self.version,
            status=FindingStatus.OK if offers else FindingStatus.DEGRADED,
            evidence=(f"{self.prices.table}-{self.prices.version}",),
            warnings=warnings,
            offers=offers,
            counter_offers=counter_offers,
        )


class DecisionWriter(Agent[DecisionQuestion, DecisionContent]):
    """Writes the reproducible content of a decision, with its memo.

    Raises AgentError for credit without an offer, against a hard rule, or without the policy.
    """

    name = "underwriter"
    task = "decision"
    is_streamed = True

    async def answer(self, question: DecisionQuestion) -> DecisionContent:
        policy, risk = question.policy, question.risk
        credit = question.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)
        if credit and (policy is None or hard_stop(policy)):
            raise AgentError("no credit is allowed against a hard rule, or without the policy")
        asks = credit or question.outcome is Outcome.INCOMPLETE
        offer, alternatives = _offers(question)
        if credit and offer is None:
            raise AgentError("no credit is allowed without an offer")
        content = DecisionContent(
            inputs_sha256=question.inputs_sha256,
            as_of_date=question.as_of_date,
            versions=question.versions,
            requested=question.requested,
            recommendation=policy.recommendation if policy else None,
            outcome=question.outcome,
            pd=risk.pd_ensemble if risk else None,
            grade=risk.grade if risk else None,
            dti_after=risk.ability.dti_after if risk and risk.ability else None,
            rule_results=policy.results if policy else (),
            principal_reasons=_reasons(question),
            offer=offer,
            alternatives=alternatives,
            conditions=_conditions(question) if asks else (),
            rulings=question.rulings,
            score_disclosure=_lower_score(question.bureau) if policy else None,
            consumers=_consumers(question),
            due_by=question.due_by,
        )
        return content.model_copy(update={"memo": compose_memo(content, risk)})

    def evidence(self, finding: DecisionContent) -> dict[str, Any]:
        """The outcome and what led to it. What people recommended on the way is left out: a text
        must not call a decision by another result than its own."""
        shown = {"as_of_date", "requested", "outcome", "pd", "grade", "dti_after", "offer"}
        reasons = [reason.notice_text for reason in finding.principal_reasons]
        conditions = [condition.text for condition in finding.conditions]
        return finding.model_dump(mode="json", include=shown) | {
            "reasons": reasons,
            "conditions": conditions,
        }


def _offers(question: DecisionQuestion) -> tuple[Offer | None, tuple[Offer, ...]]:
    """The offer, and the alternatives to it."""
    pricing = question.pricing or PricingFinding(agent="", agent_version="")
    if question.outcome is Outcome.APPROVE:
        return question.offer or next(iter(pricing.offers), None), ()
    if question.outcome is Outcome.COUNTER_OFFER:
        offer = question.offer or next(iter(pricing.counter_offers), None)
        return offer, tuple(other for other in pricing.counter_offers if other != offer)
    return None, ()


def _reasons(question: DecisionQuestion) -> tuple[ReasonCode, ...]:
    """The reasons used: those of the reviewer who declined, otherwise those of the policy."""
    found = question.policy.reasons if question.policy else ()
    if _has_no_price(question):
        found = (ReasonCode.TERMS_NOT_OFFERED, *found)
    match question.outcome:
        case Outcome.DECLINE:
            if _is_true_match(question):
                return ()
            if question.policy and question.policy.recommendation is Recommendation.DECLINE:
                return principal_reasons(found)
            return principal_reasons(_given_by_people(question) or found)
        case Outcome.COUNTER_OFFER:
            return principal_reasons(found)
        case Outcome.INCOMPLETE:
            return principal_reasons((ReasonCode.APPLICATION_INCOMPLETE, *found))
        case _:
            return ()


def _has_no_price(question: DecisionQuestion) -> bool:
    """Whether no lawful rate covers the cost of the terms that were asked for."""
    return bool(question.pricing and not question.pricing.offers and question.offer is None)


def _is_true_match(question: DecisionQuestion) -> bool:
    """Whether compliance ended the case. This is no credit reason, so the letter gives none."""
    return any(
        ruling.gate == "compliance" and ruling.decision == "decline" and ruling.role != SYSTEM
        for ruling in question.rulings
    )


def _given_by_people(question: DecisionQuestion) -> tuple[ReasonCode, ...]:
    known = {code.value: code for code in ReasonCode}
    codes = [ruling.reason_code for ruling in question.rulings if ruling.decision == "decline"]
    return tuple(known[code] for code in codes if code in known)


def _conditions(question: DecisionQuestion) -> tuple[Condition, ...]:
    """What the agents and the policy ask of the applicant, each once, and what people waived."""
    asked = question.policy.stipulations if question.policy else ()
    stipulated = (Condition(code=found.code, text=found.text) for found in asked)
    waived = {code: ruling.reviewer for ruling in question.rulings for code in ruling.waived}
    return tuple(
        _waived(condition, waived[condition.code]) if condition.code in waived else condition
        for condition in {
            condition.code: condition for condition in (*question.conditions, *stipulated)
        }.values()
    )


def _waived(condition: Condition, reviewer: str) -> Condition:
    return condition.model_copy(update={"status": ConditionStatus.WAIVED, "waived_by": reviewer})


def _consumers(question: DecisionQuestion) -> tuple[Consumer, ...]:
    """Each applicant with the report on this person that the policy has judged, if one came.

    Where one of two applicants has no score, the policy judges none, and none is disclosed.
    """
    reports = _reports(question.bureau) if question.policy else {}
    judged = question.bureau is not None and question.bureau.score is not None
    return tuple(
        Consumer(
            applicant=role,
            bureau=read.bureau,
            score=_disclosure(read.score, read.bureau) if judged else None,
        )
        if (read := reports.get(role)) is not None
        else Consumer(applicant=role)
        for role in question.applicants
    )


def _reports(bureau: BureauFinding | None) -> dict[ApplicantRole, ReportRead]:
    """The reports by applicant. A finding that is older than its list of reports has one."""
    if bureau is None:
        return {}
    if not bureau.reports and bureau.bureau_status is not BureauStatus.ERROR:
        primary = ApplicantRole.PRIMARY
        return {primary: ReportRead(applicant=primary, bureau=bureau.bureau, score=bureau.score)}
    return {read.applicant: read for read in bureau.reports}


def _lower_score(bureau: BureauFinding | None) -> ScoreDisclosure | None:
    return _disclosure(bureau.score, bureau.bureau) if bureau else None


def _disclosure(score: BureauScore | None, provider: str) -> ScoreDisclosure | None:
    """The score with its four key factors. Inquiries may be a fifth factor (FCRA 615)."""
    if score is None:
        return None
    factors = score.factors[:_KEY_FACTORS]
    inquiries = [
        factor for factor in score.factors[_KEY_FACTORS:] if "inquir" in factor.text.casefold()
    ]
    return ScoreDisclosure(
        value=score.value,
        model=score.model,
        range_min=score.range_min,
        range_max=score.range_max,
        scored_on=score.scored_on,
        provider=provider,
        factors=(*factors, *inquiries[:1]),
    )
