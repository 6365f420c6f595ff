"""Policy: every rule of the pinned pack against everything that is known."""

from __future__ import annotations

from decimal import Decimal

from data.contracts.case import CaseFile
from data.contracts.decision import AdjustedTerms
from data.contracts.facts import PolicyFacts
from data.contracts.findings import WatchlistStatus
from data.contracts.policy import PolicyResult
from data.contracts.underwriting import Evidence, Intake, Pricing
from flows.runtime.stage import stage
from flows.staff import staff
from tools.affordability import with_other_terms
from tools.facts import facts_with_terms, policy_facts
from tools.policy import evaluate_policy


@stage("policy")
async def apply_policy(
    case: CaseFile, intake: Intake, evidence: Evidence, adjusted: Pricing | None = None
) -> PolicyResult:
    """The recommendation on the terms asked for, or on those that a person has set instead."""
    if adjusted is None or adjusted.offer is None:
        return _evaluated(case, facts_of(case, evidence), evidence)
    offer = adjusted.offer
    facts = _facts_on_terms(case, evidence, offer.amount, offer.term_months, offer.rate)
    return _evaluated(case, facts, evidence)


def facts_of(case: CaseFile, evidence: Evidence) -> PolicyFacts:
    """What the policy may look at."""
    terms = staff().rulebook.policy.affordability
    return policy_facts(
        case.application, terms, evidence.verification, evidence.bureau, evidence.risk
    )


def evaluate_cleared(case: CaseFile, evidence: Evidence) -> PolicyResult:
    """The policy on an applicant whom compliance has cleared."""
    facts = facts_of(case, evidence).model_copy(update={"watchlist_status": WatchlistStatus.CLEAR})
    return _evaluated(case, facts, evidence)


def evaluate_adjusted(case: CaseFile, evidence: Evidence, adjusted: AdjustedTerms) -> PolicyResult:
    """The policy on the terms that a person would set, at the price they would have."""
    asked, grade = case.application, evidence.risk.grade if evidence.risk else None
    months = adjusted.term_months or asked.term_months
    rate = adjusted.rate or staff().rulebook.prices.base_rate(grade, months)
    amount = adjusted.amount or asked.amount_requested
    return _evaluated(case, _facts_on_terms(case, evidence, amount, months, rate), evidence)


def _facts_on_terms(
    case: CaseFile, evidence: Evidence, amount: Decimal, term_months: int, rate: Decimal
) -> PolicyFacts:
    ability = evidence.risk.ability if evidence.risk else None
    if ability is not None:
        ability = with_other_terms(
            ability,
            staff().rulebook.policy.affordability,
            amount=amount,
            term_months=term_months,
            annual_rate=rate,
        )
    facts = facts_of(case, evidence)
    return facts_with_terms(facts, ability, amount=amount, term_months=term_months)


def _evaluated(case: CaseFile, facts: PolicyFacts, evidence: Evidence) -> PolicyResult:
    factors = evidence.risk.key_factors if evidence.risk else ()
    return evaluate_policy(staff().rulebook.policy, facts, case.application.as_of_date, factors)
