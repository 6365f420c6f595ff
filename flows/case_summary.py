"""The page that a reviewer reads at a gate: short Markdown without personal data.

Both Prefect UIs render headings, tables, lists and links. The page stays under 15 lines and ends
with a link to the whole case.
"""

from __future__ import annotations

from data.contracts.case import CaseFile
from data.contracts.findings import RiskFinding
from data.contracts.policy import PolicyResult, RuleOutcome, RuleStatus
from data.contracts.underwriting import ReviewFacts
from data.settings import settings

_LINES_OF_RULES = 5
_OVERRIDE = "The policy declines: an approval is an override and needs its reason code."


def summary_of(
    case: CaseFile, policy: PolicyResult, risk: RiskFinding | None, run_id: str, note: str = ""
) -> str:
    """The case in one table, why a reviewer has to look at it, and the limits of the answer."""
    asked = case.application
    ability = risk.ability if risk else None
    facts = {
        "Asked for": f"${asked.amount_requested:,.2f} over {asked.term_months} months",
        "Policy": policy.recommendation.value.replace("_", " "),
        "Grade": risk.grade.value if risk and risk.grade else "none",
        "PD": f"{risk.pd_ensemble:.2%}" if risk and risk.pd_ensemble is not None else "unknown",
        "DTI after": f"{ability.dti_after:.1%}" if ability else "unknown",
    }
    noted = [note, ""] if note else []
    return "\n".join([*_table(facts), "", *_why(policy), "", *noted, _link(run_id)])


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


def _why(policy: PolicyResult) -> list[str]:
    speaking = {RuleOutcome.DECLINE, RuleOutcome.REFER, RuleOutcome.INCOMPLETE}
    hits = [
        result
        for result in policy.results
        if result.status is not RuleStatus.NOT_HIT and result.outcome in speaking
    ]
    lines = [
        f"- **{hit.rule_id}** ({hit.outcome.value})"
        + ("" if hit.status is RuleStatus.HIT else ": could not be evaluated")
        for hit in hits[:_LINES_OF_RULES]
    ]
    more = len(hits) - len(lines)
    return [*lines, f"- and {more} more"] if more > 0 else lines


def _link(run_id: str) -> str:
    return f"[Everything about this case]({settings().api_url}/runs/{run_id}/state)"
