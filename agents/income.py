"""Income: do the documents confirm the income that the applicants stated?"""

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
    verify_income,
)
from tools.income_verdict import deviation, income_stipulations, verdict


class IncomeAgent(Agent[CaseFile, IncomeFinding]):
    """Adds up the income of all applicants. Income without proof lowers the verified share."""

    name = "income"

    async def answer(self, question: CaseFile) -> IncomeFinding:
        each = [
            verify_income(question, applicant.role) for applicant in question.application.applicants
        ]
        stated = sum((income.stated for income in each), Decimal(0))
        verified = _total(income.verified for income in each)
        judgement = verdict(stated, verified)
        return IncomeFinding(
            agent=self.label,
            agent_version=self.version,
            status=(
                FindingStatus.DEGRADED
                if judgement is IncomeVerdict.UNVERIFIABLE
                else FindingStatus.OK
            ),
            evidence=tuple(document for income in each for document in income.evidence),
            warnings=tuple(warning for income in each for warning in income.warnings),
            stated_monthly=stated,
            paystub_monthly=_total(income.paystub for income in each),
            bank_monthly=_total(income.bank for income in each),
            other_monthly=_total(income.other for income in each),
            verified_monthly=verified,
            net_monthly=_total(income.net for income in each),
            gross_without_net=sum((income.gross_without_net for income in each), Decimal(0)),
            method=_method(each),
            deviation=deviation(stated, verified),
            stability=each[0].stability,
            confidence=min(CONFIDENCE[method] for method in _methods(each)),
            verdict=judgement,
            garnishment=any(income.garnishment for income in each),
            nsf_count=sum(income.nsf_count for income in each),
            overdraft_days=sum(income.overdraft_days for income in each),
            stipulations=income_stipulations(stated, verified, each),
        )


def _methods(each: list[VerifiedIncome]) -> set[IncomeMethod]:
    """The methods of the primary applicant and of every applicant who stated an income."""
    return {income.method for income in each if income.stated or income is each[0]}


def _method(each: list[VerifiedIncome]) -> str:
    methods = _methods(each)
    return methods.pop().value if len(methods) == 1 else IncomeMethod.MIXED.value


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
