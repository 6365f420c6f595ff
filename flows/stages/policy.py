"""Policy: every rule of the pinned pack against everything that is known."""

from __future__ import annotations

from data.contracts.case import CaseFile
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
    facts, risk = facts_of(case, evidence), evidence.risk
    if adjusted is not None and adjusted.offer is not None:
        offer = adjusted.offer
        ability = risk.ability if risk else None
        if ability is not None:
            ability = with_other_terms(
                ability,
                staff().rulebook.policy.affordability,
                amount=offer.amount,
                term_months=offer.term_months,
                annual_rate=offer.rate,
            )
        facts = facts_with_terms(facts, ability, amount=offer.amount, term_months=offer.term_months)
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


def _evaluated(case: CaseFile, facts: PolicyFacts, evidence: Evidence) -> PolicyResult:
    factors = evidence.risk.key_factors if evidence.risk else ()
    return evaluate_policy(staff().rulebook.policy, facts, case.application.as_of_date, factors)
