"""Policy: every rule of the pinned pack against everything that is known."""

from __future__ import annotations

from data.contracts.case import CaseFile
from data.contracts.policy import PolicyResult
from data.contracts.underwriting import Evidence, Intake, Pricing
from flows.agent_registry import agents
from flows.runtime.execution.stage import stage
from flows.terms import judged


@stage("policy")
async def apply_policy(
    case: CaseFile, intake: Intake, evidence: Evidence, adjusted: Pricing | None = None
) -> PolicyResult:
    """The recommendation on the terms asked for, or on those that a person has set instead."""
    return judged(agents().rulebook, case, evidence, adjusted.offer if adjusted else None)
