"""Pricing: the price of the loan, possible counter-offers, and the underwriter's own terms."""

from __future__ import annotations

from data.contracts.case import CaseFile
from data.contracts.decision import AdjustedTerms
from data.contracts.policy import PolicyResult, Recommendation
from data.contracts.questions import PricingQuestion
from data.contracts.underwriting import Evidence, Pricing
from flows.agent_registry import agents
from flows.runtime.execution.ask import ask
from flows.runtime.execution.stage import stage
from flows.terms import facts_of, on_terms


@stage("pricing")
async def price(
    case: CaseFile, policy: PolicyResult, evidence: Evidence, adjusted: AdjustedTerms | None
) -> Pricing:
    """Price the terms asked for, and to the cent the terms that an underwriter has set."""
    book, application, risk = agents().rulebook, case.application, evidence.risk
    finding = await ask(
        agents().pricer,
        PricingQuestion(
            facts=facts_of(book, case, evidence),
            grade=risk.grade if risk else None,
            ability=risk.ability if risk else None,
            as_of_date=application.as_of_date,
            first_payment_on=application.first_payment_on,
            is_approved=policy.recommendation is Recommendation.APPROVE,
        ),
    )
    if adjusted is None:
        return Pricing(finding=finding)
    return Pricing(finding=finding, offer=on_terms(book, case, evidence, adjusted).offer)
