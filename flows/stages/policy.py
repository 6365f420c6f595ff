"""Policy: apply every rule of the pinned pack to the evidence."""

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
    """The recommendation for the terms asked for, or for those that an underwriter has set."""
    return judged(agents().rulebook, case, evidence, adjusted.offer if adjusted else None)
