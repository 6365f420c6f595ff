"""The conditions of a case: what the applicant has to prove, explain or send."""

from __future__ import annotations

from data.contracts.decision import Condition
from data.contracts.policy import PolicyResult
from data.contracts.underwriting import Evidence, Intake


def asked(intake: Intake, evidence: Evidence, policy: PolicyResult) -> tuple[Condition, ...]:
    """What the agents and the policy ask, each once and the agents' first."""
    income = evidence.verification.income if evidence.verification else None
    found = (
        *intake.finding.stipulations,
        *(income.stipulations if income else ()),
        *policy.stipulations,
    )
    return tuple(
        {asked.code: Condition(code=asked.code, text=asked.text) for asked in found}.values()
    )
