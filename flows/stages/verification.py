"""Verification: is it really them, is it honest, and what do they earn?

What happens when one check fails is a policy, not a branch in this file; except that nobody
is given credit without an answer to the first question.
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
from data.contracts.underwriting import Intake
from flows.agent_registry import agents
from flows.runtime.execution.ask import ask
from flows.runtime.execution.fan_out import fan_out
from flows.runtime.execution.stage import stage


@stage("verification")
async def verify_applicant(case: CaseFile, intake: Intake) -> Verification:
    """Ask the three questions together and hand on what was answered."""
    answers = await fan_out(
        kyc=ask(agents().kyc, case),
        fraud=ask(agents().fraud, case),
        income=ask(agents().income, case),
    )
    return Verification(
        kyc=answers.require("kyc", KycFinding),
        fraud=answers.get("fraud", FraudFinding),
        income=answers.get("income", IncomeFinding),
        unanswered=tuple(
            Unanswered(agent=name, code=error.code) for name, error in answers.missing.items()
        ),
    )
