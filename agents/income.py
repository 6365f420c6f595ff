"""Income: can what they say they earn be seen in their papers?"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from agents.base import Agent
from data.contracts.case import CaseFile
from data.contracts.findings import FindingStatus, IncomeFinding, IncomeVerdict
from tools.income import (
    CONFIDENCE,
    IncomeMethod,
    VerifiedIncome,
    deviation,
    income_stipulations,
    verdict,
    verify_income,
)


class IncomeAgent(Agent[CaseFile, IncomeFinding]):
    """Adds up what both applicants can show. One of two who shows nothing is not overlooked."""

    name = "income"

    async def answer(self, question: CaseFile) -> IncomeFinding:
        each = [verify_income(question, one.role) for one in question.application.applicants]
        stated = sum((one.stated for one in each), Decimal(0))
        verified = _total(one.verified for one in each)
        judgement = verdict(stated, verified)
        return IncomeFinding(
            agent=self.label,
            agent_version=self.version,
            status=(
                FindingStatus.DEGRADED
                if judgement is IncomeVerdict.UNVERIFIABLE
                else FindingStatus.OK
            ),
            evidence=tuple(document for one in each for document in one.evidence),
            warnings=tuple(warning for one in each for warning in one.warnings),
            stated_monthly=stated,
            paystub_monthly=_total(one.paystub for one in each),
            bank_monthly=_total(one.bank for one in each),
            other_monthly=_total(one.other for one in each),
            verified_monthly=verified,
            net_monthly=_total(one.net for one in each),
            method=_method(each),
            deviation=deviation(stated, verified),
            stability=each[0].stability,
            confidence=min(CONFIDENCE[one.method] for one in each if one.stated or one is each[0]),
            verdict=judgement,
            garnishment=any(one.garnishment for one in each),
            nsf_count=sum(one.nsf_count for one in each),
            overdraft_days=sum(one.overdraft_days for one in each),
            stipulations=income_stipulations(stated, verified),
        )


def _method(each: list[VerifiedIncome]) -> str:
    methods = {one.method for one in each if one.stated or one is each[0]}
    return methods.pop().value if len(methods) == 1 else IncomeMethod.MIXED.value


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
