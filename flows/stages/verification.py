"""Verification: the applicant's identity, signs of fraud, and income.

The policy decides what a failed check means. Only the identity is required here: without it the
run fails.
"""

from __future__ import annotations

from data.contracts.case import CaseFile
from data.contracts.findings import (
    FraudFinding,
    IncomeFinding,
    KycFinding,
    Unanswered,
    Verification,
)
from data.contracts.screening import WATCHLIST_RECORD
from data.contracts.underwriting import Intake
from flows.agent_registry import agents
from flows.runtime.execution.ask import ask
from flows.runtime.execution.context import current_run
from flows.runtime.execution.fan_out import fan_out
from flows.runtime.execution.stage import stage
from tools.documents import preread


@stage("verification")
async def verify_applicant(case: CaseFile, intake: Intake) -> Verification:
    """Ask the three agents at once and collect their findings.

    Whom on the watchlist an applicant resembles is for compliance alone. So the whole screening
    is a restricted record of the run. State, checkpoints and messages have its result only. The
    kept answer of the agent has the candidates too, until retention sweeps it.
    """
    await preread(case, current_run().executor.compute)
    answers = await fan_out(
        kyc=ask(agents().kyc, case),
        fraud=ask(agents().fraud, case),
        income=ask(agents().income, case),
    )
    kyc = await _without_cleared_doubts(answers.require("kyc", KycFinding), case)
    await current_run().keep_restricted(WATCHLIST_RECORD, kyc.watchlist.model_dump(mode="json"))
    return Verification(
        kyc=kyc.without_candidates(),
        fraud=answers.get("fraud", FraudFinding),
        income=answers.get("income", IncomeFinding),
        unanswered=tuple(
            Unanswered(agent=name, code=error.code) for name, error in answers.missing.items()
        ),
    )


async def _without_cleared_doubts(kyc: KycFinding, case: CaseFile) -> KycFinding:
    """Do not ask again about a person whom compliance has cleared against the very same entry."""
    doubtful = kyc.watchlist.doubtful
    if not doubtful:
        return kyc
    found = await current_run().record.cleared(doubtful, case.application.as_of_date)
    if not found:
        return kyc
    return kyc.model_copy(update={"watchlist": kyc.watchlist.after_clearances(found)})
