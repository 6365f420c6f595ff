"""Terms: what the policy says about a case, and about the loan that a reviewer would grant.

Every function here depends only on the pinned rulebook, the case and its evidence. The form, the
review and the pricing therefore reach the same result, and they reach it again after days and
deployments.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from data.contracts.case import CaseFile
from data.contracts.decision import AdjustedTerms, Offer
from data.contracts.errors import AnswerRejectedError
from data.contracts.facts import PolicyFacts
from data.contracts.findings import AffordabilityFinding
from data.contracts.policy import PolicyResult, Recommendation
from data.contracts.screening import WatchlistStatus
from data.contracts.underwriting import Evidence, Rulebook
from tools.affordability import with_other_terms
from tools.facts import facts_with_terms, policy_facts
from tools.policy import evaluate_policy, hard_stop
from tools.pricing import price_adjusted


@dataclass(frozen=True)
class OnTerms:
    """A loan that could be granted: its price, and what every rule says about it."""

    offer: Offer
    policy: PolicyResult
    ability: AffordabilityFinding | None

    @property
    def is_override(self) -> bool:
        """Whether granting it goes against the policy."""
        return is_declined(self.policy)


def on_terms(
    rulebook: Rulebook, case: CaseFile, evidence: Evidence, adjusted: AdjustedTerms | None
) -> OnTerms:
    """Price the terms that a reviewer would grant, to the cent, and check them by every rule.

    `adjusted` is None when the reviewer grants what the applicant asked for. Raises
    AnswerRejectedError with the field that has to change: for an amount outside this applicant's
    limits, a term or rate without a price, an APR above its ceiling, and terms that break a hard
    rule.
    """
    asked, terms = case.application, adjusted or AdjustedTerms()
    amount = terms.amount or asked.amount_requested
    smallest, largest = amounts(rulebook, case, evidence)
    if not smallest <= amount <= largest:
        raise AnswerRejectedError(
            f"the policy allows from {smallest:,.2f} to {largest:,.2f}",
            field="amount" if adjusted else "decision",
        )
    offer = _priced(rulebook, case, evidence, adjusted)
    if adjusted is None:
        policy, ability = judged(rulebook, case, evidence), _ability(evidence)
    else:
        policy = judged(rulebook, case, evidence, offer)
        ability = _ability_with(rulebook, evidence, offer)
    if hard_stop(policy):
        raise AnswerRejectedError(
            "a hard rule declines these terms: no reviewer may override it",
            field=_changed(adjusted),
        )
    return OnTerms(offer, policy, ability)


def price_asked_for(
    rulebook: Rulebook, case: CaseFile, evidence: Evidence
) -> tuple[Offer | None, str]:
    """The price of the loan as it was asked for, or why there is none."""
    try:
        return on_terms(rulebook, case, evidence, adjusted=None).offer, ""
    except AnswerRejectedError as error:
        return None, error.message


def judged(
    rulebook: Rulebook, case: CaseFile, evidence: Evidence, offer: Offer | None = None
) -> PolicyResult:
    """The result of every rule, for the terms asked for or for those of an offer."""
    facts = facts_of(rulebook, case, evidence)
    if offer is not None:
        ability = _ability_with(rulebook, evidence, offer)
        facts = facts_with_terms(facts, ability, amount=offer.amount, term_months=offer.term_months)
    factors = evidence.risk.key_factors if evidence.risk else ()
    return evaluate_policy(rulebook.policy, facts, case.application.as_of_date, factors)


def facts_of(rulebook: Rulebook, case: CaseFile, evidence: Evidence) -> PolicyFacts:
    """The facts for the policy. A cleared applicant counts as not on the watchlist."""
    facts = policy_facts(
        case.application,
        rulebook.policy,
        rulebook.prices,
        evidence.verification,
        evidence.bureau,
        evidence.risk,
    )
    known: dict[str, Any] = {}
    if evidence.cleared:
        known["watchlist_status"] = WatchlistStatus.CLEAR
    if evidence.second_reading is not None:
        known["reading_differences"] = evidence.second_reading.differences
    return facts.model_copy(update=known)


def amounts(rulebook: Rulebook, case: CaseFile, evidence: Evidence) -> tuple[Decimal, Decimal]:
    """The smallest and the largest amount that may be lent to this applicant."""
    product = rulebook.policy.affordability
    income_limit = facts_of(rulebook, case, evidence).income_limit
    limits = (product.largest_amount, income_limit)
    return product.smallest_amount, min(limit for limit in limits if limit is not None)


def is_declined(policy: PolicyResult) -> bool:
    """Whether an approval goes against a soft rule. A hard rule has stopped the case before."""
    return policy.recommendation is Recommendation.DECLINE


def _priced(
    rulebook: Rulebook, case: CaseFile, evidence: Evidence, adjusted: AdjustedTerms | None
) -> Offer:
    asked, facts = case.application, facts_of(rulebook, case, evidence)
    try:
        return price_adjusted(
            rulebook.prices,
            adjusted or AdjustedTerms(),
            amount=asked.amount_requested,
            term_months=asked.term_months,
            grade=evidence.risk.grade if evidence.risk else None,
            state=facts.state,
            covered_borrower=facts.covered_borrower is not False,
            as_of=asked.as_of_date,
            first_payment_on=asked.first_payment_on,
        )
    except AnswerRejectedError as error:
        field = error.field if adjusted else _changed(adjusted)
        raise AnswerRejectedError(error.message, field=field) from None


def _ability_with(
    rulebook: Rulebook, evidence: Evidence, offer: Offer
) -> AffordabilityFinding | None:
    """The affordability of an offer. None when the affordability agent has found nothing."""
    ability = _ability(evidence)
    return ability and with_other_terms(
        ability,
        rulebook.policy.affordability,
        amount=offer.amount,
        term_months=offer.term_months,
        annual_rate=offer.rate,
    )


def _ability(evidence: Evidence) -> AffordabilityFinding | None:
    return evidence.risk.ability if evidence.risk else None


def _changed(adjusted: AdjustedTerms | None) -> str:
    """The field that the error names: the first one that the reviewer changed."""
    given = adjusted.model_dump(exclude_none=True) if adjusted else {}
    return next(iter(given), "decision")
