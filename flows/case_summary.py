"""The page that a reviewer reads at a gate: short Markdown without personal data.

Both Prefect UIs render headings, tables, lists and links. The page stays under 20 lines and ends
with a link to the whole case.
"""

from __future__ import annotations

from decimal import Decimal

from data.contracts.case import CaseFile
from data.contracts.findings import RiskFinding
from data.contracts.policy import PolicyResult, RuleOutcome, RuleResult, RuleStatus
from data.contracts.review import Role
from data.contracts.underwriting import ReviewFacts, Rulebook
from data.settings import settings
from flows.case import ReviewCase
from flows.terms import OnTerms, facts_of, price_asked_for

_LINES_OF_RULES = 6
_SPEAKING = {RuleOutcome.DECLINE, RuleOutcome.REFER, RuleOutcome.INCOMPLETE}
_OVERRIDE = "The policy declines: an approval is an override and needs its reason code."


def summary_of(
    review_case: ReviewCase,
    policy: PolicyResult,
    role: Role,
    run_id: str,
    note: str = "",
    terms: OnTerms | None = None,
) -> str:
    """The case in two tables, why a reviewer has to look at it, and the limits of the answer.

    `terms` are those that a first reviewer would grant; by default the terms asked for count.
    """
    rulebook, risk = review_case.rulebook, review_case.evidence.risk
    if risk and terms:
        risk = risk.model_copy(update={"ability": terms.ability})
    noted = [note, ""] if note else []
    return "\n".join(
        [
            *_table(_request(review_case.case, policy, risk)),
            "",
            *_table(_figures(review_case, risk, terms) | _limit(rulebook, risk, role)),
            "",
            *why(rulebook, policy),
            "",
            *noted,
            _link(run_id),
        ]
    )


def document_summary(case: CaseFile, wanted: list[str], run_id: str) -> str:
    """The documents that the applicant has to send."""
    asked = case.application
    facts = {"Asked for": f"${asked.amount_requested:,.2f} over {asked.term_months} months"}
    return "\n".join(
        [*_table(facts), "", *(f"- {document}" for document in wanted), "", _link(run_id)]
    )


def bounds_of(facts: ReviewFacts) -> str:
    """The limits for adjusted terms, and whether an approval is an override."""
    bounds = (
        f"Terms may be adjusted from ${facts.smallest_amount:,.0f} to ${facts.largest_amount:,.0f},"
        f" from {facts.shortest_term} to {facts.longest_term} months, from {facts.lowest_rate:.2%}"
        f" to {facts.highest_rate:.2%}, below the ceiling of the APR."
    )
    if facts.conditions:
        bounds += f" Conditions that may be waived: {', '.join(facts.conditions)}."
    return f"{bounds} {_OVERRIDE}" if facts.is_override else bounds


def first_ruling_of(facts: ReviewFacts) -> str:
    """The terms that the first reviewer would grant. The rules on the page apply to them."""
    granted = (
        f"A first reviewer would grant ${facts.amount:,.2f} over {facts.term_months} months at"
        f" {facts.rate or 0:.2%}; another person has to agree."
    )
    return f"{granted} {_OVERRIDE}" if facts.is_override else granted


def _table(facts: dict[str, str]) -> list[str]:
    head = [f"| {' | '.join(facts)} |", f"|{' --- |' * len(facts)}"]
    return [*head, f"| {' | '.join(facts.values())} |"]


def _request(case: CaseFile, policy: PolicyResult, risk: RiskFinding | None) -> dict[str, str]:
    asked, ability = case.application, risk.ability if risk else None
    return {
        "Asked for": f"${asked.amount_requested:,.2f} over {asked.term_months} months",
        "Policy": policy.recommendation.value.replace("_", " "),
        "Grade": risk.grade.value if risk and risk.grade else "none",
        "PD": f"{risk.pd_ensemble:.2%}" if risk and risk.pd_ensemble is not None else "unknown",
        "DTI after": f"{ability.dti_after:.1%}" if ability else "unknown",
    }


def _figures(
    review_case: ReviewCase, risk: RiskFinding | None, terms: OnTerms | None
) -> dict[str, str]:
    """What the decision memo says later: income, price and score, before the decision."""
    rulebook, case, evidence = review_case.rulebook, review_case.case, review_case.evidence
    facts = facts_of(rulebook, case, evidence)
    ability = risk.ability if risk else None
    offer = terms.offer if terms else price_asked_for(rulebook, case, evidence)[0]
    return {
        "Income": _monthly(ability.verified_income if ability else None),
        "Payment": _monthly(offer.payment if offer else ability.payment if ability else None),
        "Price": f"{offer.rate:.2%}, APR {offer.apr:.2%}" if offer else "none",
        "Residual income": _monthly(ability.residual_income if ability else None),
        "Score": ", ".join(f"{member.score:.0f}" for member in risk.members[:1]) if risk else "",
        "Bureau score": str(facts.bureau_score or "none"),
    }


def _limit(rulebook: Rulebook, risk: RiskFinding | None, role: Role) -> dict[str, str]:
    """What one person in this role may approve here; with and without a proven identity."""
    grade = risk.grade.value if risk and risk.grade else None
    limit = rulebook.authority.limit(role.value, grade)
    if not limit:
        return {}
    unproven = rulebook.authority.limit(role.value, grade, proven=False)
    return {"Your limit": f"${limit:,.0f}, ${unproven:,.0f} without a key"}


def _monthly(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"${amount:,.2f} a month"


def why(rulebook: Rulebook, policy: PolicyResult) -> list[str]:
    """The rules that hit; then, in one line, the facts for want of which others say nothing."""
    labels = {rule.id: rule.label for rule in rulebook.policy.rules}
    speaking = [result for result in policy.results if result.outcome in _SPEAKING]
    hits = [result for result in speaking if result.status is RuleStatus.HIT]
    lines = [
        f"- **{labels.get(hit.rule_id, hit.rule_id)}** ({hit.outcome.value})"
        for hit in hits[:_LINES_OF_RULES]
    ]
    more = len(hits) - len(lines)
    if more > 0:
        lines.append(f"- and {more} more rules")
    return [*lines, *_unknown(speaking)]


def _unknown(results: list[RuleResult]) -> list[str]:
    """Which facts are missing, and how many rules could therefore not be evaluated."""
    silent = [result for result in results if result.status is RuleStatus.NOT_EVALUABLE]
    if not silent:
        return []
    missing = dict.fromkeys(
        name.replace("_", " ")
        for result in silent
        for name, value in result.inputs.items()
        if value is None
    )
    rules = "1 rule" if len(silent) == 1 else f"{len(silent)} rules"
    return [f"- **Unknown: {', '.join(missing)}**; {rules} could not be evaluated"]


def _link(run_id: str) -> str:
    return f"[Everything about this case]({settings().api_url}/case/{run_id})"
