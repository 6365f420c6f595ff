"""What a person at a gate gets to read: a short Markdown page without personal data.

Both Prefect UIs render headings, tables, lists and links; the page stays under 15 lines and
ends in the way to everything else.
"""

from __future__ import annotations

from data.contracts.case import CaseFile
from data.contracts.findings import RiskFinding
from data.contracts.policy import PolicyResult, RuleOutcome, RuleStatus
from data.contracts.underwriting import ReviewFacts
from data.settings import settings

_LINES_OF_RULES = 5
_OVERRIDE = "The policy declines: to grant it is an override and needs its reason code."


def summary_of(
    case: CaseFile, policy: PolicyResult, risk: RiskFinding | None, run_id: str, note: str = ""
) -> str:
    """The case in one table, why somebody has to look at it, and what binds the answer."""
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
    """Which papers are wanted."""
    asked = case.application
    facts = {"Asked for": f"${asked.amount_requested:,.2f} over {asked.term_months} months"}
    return "\n".join([*_table(facts), "", *(f"- {paper}" for paper in wanted), "", _link(run_id)])


def bounds_of(facts: ReviewFacts) -> str:
    """Within what an underwriter may adjust the terms, and what an approval would mean."""
    bounds = (
        f"Terms may be adjusted from ${facts.smallest_amount:,.0f} to ${facts.largest_amount:,.0f},"
        f" from {facts.shortest_term} to {facts.longest_term} months, from {facts.lowest_rate:.2%}"
        f" to {facts.highest_rate:.2%}, below the ceiling of the APR."
    )
    return f"{bounds} {_OVERRIDE}" if facts.is_override else bounds


def first_ruling_of(facts: ReviewFacts) -> str:
    """What the second person is asked to agree to; the rules above speak of these terms."""
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
        one
        for one in policy.results
        if one.status is not RuleStatus.NOT_HIT and one.outcome in speaking
    ]
    lines = [
        f"- **{one.rule_id}** ({one.outcome.value})"
        + ("" if one.status is RuleStatus.HIT else ": could not be evaluated")
        for one in hits[:_LINES_OF_RULES]
    ]
    more = len(hits) - len(lines)
    return [*lines, f"- and {more} more"] if more > 0 else lines


def _link(run_id: str) -> str:
    return f"[Everything about this case]({settings().api_url}/runs/{run_id}/state)"
