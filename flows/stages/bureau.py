"""Bureau: the applicant's credit report."""

from __future__ import annotations

from data.contracts.bureau import BureauStatus
from data.contracts.case import CaseFile
from data.contracts.errors import AgentTimeoutError, ToolUnavailableError
from data.contracts.findings import BureauFinding, FindingStatus, Verification
from data.settings import FanOutPolicy
from flows.agent_registry import agents
from flows.runtime.execution.ask import ask
from flows.runtime.execution.context import current_run
from flows.runtime.execution.stage import stage
from tools.bureau import reports_read


@stage("bureau")
async def pull_bureau(case: CaseFile, verification: Verification) -> BureauFinding:
    """Ask the bureau. An unavailable bureau is a finding of its own, and never an approval."""
    reader = agents().bureau
    try:
        return await ask(reader, case)
    except (ToolUnavailableError, AgentTimeoutError) as error:
        if current_run().agent_policy.fan_out is FanOutPolicy.FAIL_FAST:
            raise
        return BureauFinding(
            agent=reader.label,
            agent_version=reader.version,
            status=FindingStatus.FAILED,
            warnings=(error.code,),
            bureau_status=BureauStatus.ERROR,
            # Of two bureaus one may have answered: the letter names that one.
            reports=reports_read(case),
        )
