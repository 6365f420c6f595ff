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
from data.contracts.underwriting import Intake
from flows.agent_registry import agents
from flows.runtime.execution.ask import ask
from flows.runtime.execution.fan_out import fan_out
from flows.runtime.execution.stage import stage


@stage("verification")
async def verify_applicant(case: CaseFile, intake: Intake) -> Verification:
    """Ask the three agents at once and collect their findings."""
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
