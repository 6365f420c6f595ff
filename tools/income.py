"""Income verification: the stated income against the documents.

All amounts are US dollars per month, gross unless said otherwise, rounded half up to the cent.
When sources disagree, the lower figure counts, and never more than the stated income. The source
of an income never lowers its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from data.contracts.application import Applicant, ApplicantRole, EmploymentStatus
from data.contracts.case import CaseFile
from data.contracts.documents import Transaction
from data.contracts.findings import IncomeStability
from data.rounding import cents
from tools.base import tool
from tools.income_documents import IncomeDocuments
from tools.other_income import lasting_income, lasts, other_income, stated_beside_wages
from tools.payroll import (
    Pay,
    is_payroll,
    money_in,
    names_employer,
    pay_stability,
    recurring_monthly,
    with_frequency,
)
from tools.wages import Wages, wages_of

_LEAST_PROVEN = Decimal("0.90")
"""The share of a stated income beside wages that documents have to prove."""

_EARNERS = frozenset({EmploymentStatus.EMPLOYED, EmploymentStatus.SELF_EMPLOYED})


class IncomeMethod(StrEnum):
    PAYSTUB = "paystub"
    PAYSTUB_AND_BANK = "paystub_and_bank"
    BANK = "bank"
    ANNUAL_PROOF = "annual_proof"
    BENEFITS_LETTER = "benefits_letter"
    MIXED = "mixed"
    NONE = "none"


CONFIDENCE = {
    IncomeMethod.PAYSTUB_AND_BANK: Decimal("0.95"),
    IncomeMethod.BENEFITS_LETTER: Decimal("0.90"),
    IncomeMethod.PAYSTUB: Decimal("0.80"),
    IncomeMethod.ANNUAL_PROOF: Decimal("0.75"),
    IncomeMethod.BANK: Decimal("0.70"),
    IncomeMethod.MIXED: Decimal("0.70"),
    IncomeMethod.NONE: Decimal(0),
}


@dataclass(frozen=True)
class VerifiedIncome:
    """The income of one applicant that the documents prove."""

    stated: Decimal
    """Without income that ends before the loan."""
    paystub: Decimal | None = None
    bank: Decimal | None = None
    """Net deposits, as they arrive."""
    other: Decimal | None = None
    verified: Decimal | None = None
    net: Decimal | None = None
    gross_without_net: Decimal = Decimal("0.00")
    """The part of `verified` whose net amount no document shows."""
    method: IncomeMethod = IncomeMethod.NONE
    stability: IncomeStability | None = None
    garnishment: bool = False
    nsf_count: int = 0
    overdraft_days: int = 0
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    asks_for_proof: bool = False
    """Whether an income beside the wages is stated and not proven."""
    has_papers_of_others: bool = False


@dataclass(frozen=True)
class _Earned:
    """Earned income: gross, net where a document shows it, and how it was verified."""

    method: IncomeMethod = IncomeMethod.NONE
    gross: Decimal | None = None
    net: Decimal | None = None
    paystub: Decimal | None = None
    bank: Decimal | None = None
    pay: Pay = ((), None)
    warnings: tuple[str, ...] = ()


@tool()
def verify_income(case: CaseFile, role: ApplicantRole) -> VerifiedIncome:
    """Verify one applicant's income with their documents.

    A document does not count, with a warning, when it is stale, contradicts itself or belongs to
    another person. `verified` is None when the applicant stated an income and proved none.
    """
    applicant = next(person for person in case.application.applicants if person.role is role)
    term = case.application.term_months
    documents = IncomeDocuments.of(case, applicant)
    deposits = _own_deposits(case, applicant, money_in(documents.statements))
    earned = _earned(applicant, documents, deposits)
    other = other_income(applicant, documents.letters, deposits, term)
    stated = lasting_income(applicant, term)
    verified, net, gross_without_net = _counted(stated, earned, other)
    ends = any(not lasts(income, term) for income in applicant.other_income)
    return VerifiedIncome(
        stated=stated,
        paystub=earned.paystub,
        bank=earned.bank,
        other=_sum(earned.gross if earned.method is IncomeMethod.ANNUAL_PROOF else None, other),
        verified=verified,
        net=net,
        gross_without_net=gross_without_net,
        method=_overall(earned.method, other),
        stability=pay_stability(*earned.pay),
        garnishment=any(
            deduction.garnishment for stub in documents.paystubs for deduction in stub.deductions
        ),
        nsf_count=sum(statement.nsf_count for statement in documents.statements),
        overdraft_days=sum(statement.overdraft_days for statement in documents.statements),
        evidence=documents.evidence,
        warnings=tuple(
            sorted(
                {
                    *documents.warnings,
                    *earned.warnings,
                    *(("income_ends_before_loan",) if ends else ()),
                }
            )
        ),
        asks_for_proof=_lacks_proof(stated_beside_wages(applicant, term), other),
        has_papers_of_others=documents.of_others,
    )


def _own_deposits(
    case: CaseFile, applicant: Applicant, deposits: tuple[Transaction, ...]
) -> tuple[Transaction, ...]:
    """The deposits without those that name the other applicant's employer: accounts are shared."""
    others = [
        person.employment.employer
        for person in case.application.applicants
        if person is not applicant and person.employment.employer
    ]
    own = applicant.employment.employer
    return tuple(
        deposit
        for deposit in deposits
        if not any(names_employer(deposit.description, employer) for employer in others)
        or names_employer(deposit.description, own)
    )


def _earned(
    applicant: Applicant, documents: IncomeDocuments, deposits: tuple[Transaction, ...]
) -> _Earned:
    """Earned income. Bank deposits are compared with the net pay of each job."""
    jobs = wages_of(applicant, documents.paystubs, deposits)
    if jobs:
        return _from_jobs(jobs)
    employer = applicant.employment.employer
    pay = with_frequency(deposit for deposit in deposits if is_payroll(deposit, employer))
    bank, annual = recurring_monthly(*pay), _annual(documents)
    if annual is not None:
        net = None if bank is None else min(bank, annual)
        return _Earned(IncomeMethod.ANNUAL_PROOF, annual, net, None, bank, pay)
    if bank is not None and applicant.employment.status in _EARNERS:
        return _Earned(IncomeMethod.BANK, bank, bank, None, bank, pay)
    return _Earned(bank=bank, pay=pay)


def _from_jobs(jobs: Sequence[Wages]) -> _Earned:
    """The sum of all jobs. The regularity is that of the best paid job."""
    banked = all(job.bank is not None for job in jobs)
    return _Earned(
        method=IncomeMethod.PAYSTUB_AND_BANK if banked else IncomeMethod.PAYSTUB,
        gross=_sum(*(job.gross for job in jobs)),
        net=_sum(*(job.net for job in jobs)),
        paystub=_sum(*(job.paystub for job in jobs)),
        bank=_sum(*(job.bank for job in jobs)),
        pay=jobs[0].pay,
        warnings=tuple(warning for job in jobs for warning in job.warnings),
    )


def _annual(documents: IncomeDocuments) -> Decimal | None:
    """A twelfth of the income of the newest year.

    Wage statements of one year add up. A tax return of that year contains them already.
    """
    proofs = (*documents.wage_statements, *documents.tax_returns)
    if not proofs:
        return None
    newest = max(proof.tax_year for proof in proofs)
    wages = sum(
        (proof.gross_income for proof in documents.wage_statements if proof.tax_year == newest),
        Decimal(0),
    )
    returned = [proof.gross_income for proof in documents.tax_returns if proof.tax_year == newest]
    return cents(max([wages, *returned]) / 12)


def _counted(
    stated: Decimal, earned: _Earned, other: Decimal | None
) -> tuple[Decimal | None, Decimal | None, Decimal]:
    """Verified income, its net amount as far as known, and the gross part without a known net.

    Other income has no deductions. The net amount is never more than the gross amount.
    """
    shown = _sum(earned.gross, other)
    if shown is None:
        return (Decimal("0.00") if stated == 0 else None), None, Decimal("0.00")
    verified = min(stated, shown)
    known = _sum(earned.net, other)
    unknown = earned.gross if earned.gross is not None and earned.net is None else Decimal("0.00")
    gross_without_net = min(unknown, verified)
    net = None if known is None else min(known, verified - gross_without_net)
    return verified, net, gross_without_net


def _lacks_proof(stated: Decimal, proven: Decimal | None) -> bool:
    return (proven or Decimal(0)) < stated * _LEAST_PROVEN


def _overall(method: IncomeMethod, other: Decimal | None) -> IncomeMethod:
    if other is None:
        return method
    return IncomeMethod.BENEFITS_LETTER if method is IncomeMethod.NONE else IncomeMethod.MIXED


def _sum(*amounts: Decimal | None) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
