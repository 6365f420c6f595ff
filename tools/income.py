"""Income: what an applicant says they earn, against what the papers show.

All amounts are US dollars per month, gross unless said otherwise, half-up to the cent. Pay is
annualised with 52, 26, 24 or 12 periods. Where sources disagree the lower one counts, and never
more than was stated. Where money comes from never lowers its worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from statistics import median

from data.contracts.application import Applicant, ApplicantRole, EmploymentStatus
from data.contracts.case import CaseFile
from data.contracts.documents import (
    AnnualIncomeProof,
    BankStatement,
    BenefitsLetter,
    Document,
    DocumentKind,
    Paper,
    Paystub,
)
from data.contracts.findings import IncomeStability, IncomeVerdict
from data.contracts.policy import Stipulation
from tools.base import tool
from tools.documents import inconsistencies, papers_of, staleness
from tools.names import same_person_by_name
from tools.payroll import (
    monthly_from_pay,
    pay_stability,
    payroll_deposits,
    recurring_monthly,
    to_cents,
)

ACCEPTED_DEVIATION = Decimal("0.10")
REFERRED_DEVIATION = Decimal("0.25")
"""Between the two the lower figure counts and an explanation is asked for."""

_YEARLY_FROM = 8
"""Stating eight times what is shown looks like a year's income in a month's place."""

_INCOME_CATEGORIES = frozenset(
    {"benefits", "pension", "alimony", "child_support", "rental", "part_time"}
)
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
    """What the papers of one applicant show."""

    stated: Decimal
    paystub: Decimal | None = None
    bank: Decimal | None = None
    """Net, as it arrives."""
    other: Decimal | None = None
    verified: Decimal | None = None
    net: Decimal | None = None
    method: IncomeMethod = IncomeMethod.NONE
    stability: IncomeStability | None = None
    garnishment: bool = False
    nsf_count: int = 0
    overdraft_days: int = 0
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@tool()
def verify_income(case: CaseFile, role: ApplicantRole) -> VerifiedIncome:
    """One applicant's income as the papers show it. Papers that cannot be trusted are set aside.

    A paper is set aside, with a warning, when it is stale, contradicts itself or belongs to
    somebody else. `verified` is None when something was stated and nothing could be shown.
    """
    applicant = next(one for one in case.application.applicants if one.role is role)
    papers = _TrustedDocuments.of(case, applicant)
    stub = max(papers.paystubs, key=lambda one: (one.pay_date, one.gross), default=None)
    pay, cadence = payroll_deposits(papers.statements, applicant.employment.employer)
    paystub = _monthly_of(stub, applicant) if stub else None
    bank = recurring_monthly(pay, cadence)
    annual = _newest_annual(papers.annual)
    earned, method = _earned(applicant, stub, paystub, bank, annual)
    other = _other_income(applicant, papers)
    shown = _sum(earned, other)
    stated = applicant.stated_monthly_income
    verified = min(stated, shown) if shown is not None else None
    if verified is None and stated == 0:
        verified = Decimal("0.00")
    return VerifiedIncome(
        stated=stated,
        paystub=paystub,
        bank=bank,
        other=_sum(annual if method is IncomeMethod.ANNUAL_PROOF else None, other),
        verified=verified,
        net=_net(stub, bank, other),
        method=_overall(method, other),
        stability=pay_stability(pay, cadence),
        garnishment=any(cut.garnishment for one in papers.paystubs for cut in one.deductions),
        nsf_count=sum(one.nsf_count for one in papers.statements),
        overdraft_days=sum(one.overdraft_days for one in papers.statements),
        evidence=papers.evidence,
        warnings=tuple(sorted({*papers.warnings, *_ytd_warning(stub, applicant)})),
    )


def deviation(stated: Decimal, verified: Decimal | None) -> Decimal | None:
    """(stated - verified) / stated to four places; None without a verified figure."""
    if verified is None:
        return None
    if stated == 0:
        return Decimal("0.0000")
    return ((stated - verified) / stated).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def verdict(stated: Decimal, verified: Decimal | None) -> IncomeVerdict:
    """Discrepant above 25 % deviation, unverifiable without any evidence."""
    gap = deviation(stated, verified)
    if gap is None:
        return IncomeVerdict.UNVERIFIABLE
    return IncomeVerdict.DISCREPANT if gap > REFERRED_DEVIATION else IncomeVerdict.VERIFIED


def income_stipulations(stated: Decimal, verified: Decimal | None) -> tuple[Stipulation, ...]:
    """What the applicant should explain: a gap of 10 to 25 %, or a year's figure for a month."""
    if verified is None:
        return ()
    if verified > 0 and stated >= _YEARLY_FROM * verified:
        return (
            Stipulation(
                code="confirm_income_period",
                text="Confirm whether the stated income is per month or per year.",
            ),
        )
    gap = deviation(stated, verified)
    if gap is not None and ACCEPTED_DEVIATION < gap <= REFERRED_DEVIATION:
        return (
            Stipulation(
                code="explain_income_difference",
                text="Explain why the papers show less income than was stated.",
            ),
        )
    return ()


@dataclass(frozen=True)
class _TrustedDocuments:
    paystubs: tuple[Paystub, ...]
    statements: tuple[BankStatement, ...]
    annual: tuple[AnnualIncomeProof, ...]
    letters: tuple[BenefitsLetter, ...]
    evidence: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, case: CaseFile, applicant: Applicant) -> _TrustedDocuments:
        kept: list[tuple[Document, Paper]] = []
        warnings: list[str] = []
        for document, paper in papers_of(
            case,
            applicant.role,
            DocumentKind.PAYSTUB,
            DocumentKind.BANK_STATEMENT,
            DocumentKind.W2,
            DocumentKind.TAX_RETURN,
            DocumentKind.BENEFITS_LETTER,
        ):
            doubts = _doubts(document, paper, case)
            if doubts:
                warnings += [f"{document.document_id}:{code}" for code in doubts]
            else:
                kept.append((document, paper))
        papers = [paper for _, paper in kept]
        return cls(
            paystubs=tuple(one for one in papers if isinstance(one, Paystub)),
            statements=tuple(one for one in papers if isinstance(one, BankStatement)),
            annual=tuple(one for one in papers if isinstance(one, AnnualIncomeProof)),
            letters=tuple(one for one in papers if isinstance(one, BenefitsLetter)),
            evidence=tuple(document.document_id for document, _ in kept),
            warnings=tuple(warnings),
        )


def _doubts(document: Document, paper: Paper, case: CaseFile) -> tuple[str, ...]:
    found = list(inconsistencies(paper))
    stale = staleness(document, paper, case.application.as_of_date)
    # An older statement is not renewed but still shows how regularly pay arrives.
    if stale is not None and not (isinstance(paper, BankStatement) and stale == "document_stale"):
        found.append(stale)
    if not _is_theirs(document, paper, case):
        found.append("of_other_person")
    return tuple(found)


def _is_theirs(document: Document, paper: Paper, case: CaseFile) -> bool:
    """Pay is one's own; an account may be in the name of either of two joint applicants."""
    applicants = case.application.applicants
    own = [one.full_name for one in applicants if one.role is document.applicant]
    match paper:
        case Paystub():
            return any(same_person_by_name(name, paper.employee_name) for name in own)
        case BankStatement():
            everybody = [one.full_name for one in applicants]
            return any(same_person_by_name(name, paper.holder_name) for name in everybody)
        case AnnualIncomeProof() | BenefitsLetter():
            return any(same_person_by_name(name, paper.recipient_name) for name in own)
        case _:
            return True


def _monthly_of(stub: Paystub, applicant: Applicant) -> Decimal:
    """Annualised pay, or what the year so far comes to per month when that is clearly less."""
    regular = monthly_from_pay(stub.gross, stub.pay_frequency)
    so_far = _ytd_monthly(stub, applicant)
    return min(regular, so_far) if _ytd_warning(stub, applicant) else regular


def _ytd_monthly(stub: Paystub, applicant: Applicant) -> Decimal:
    """Year-to-date pay over the part of the year that was worked, per month."""
    first_day = date(stub.period_end.year, 1, 1)
    start = applicant.employment.start_date
    if start is not None and start > first_day:
        first_day = min(start, stub.period_start)
    days_worked = (stub.period_end - first_day).days + 1
    return to_cents(stub.ytd_gross / days_worked * Decimal("365") / 12)


def _ytd_warning(stub: Paystub | None, applicant: Applicant) -> tuple[str, ...]:
    """A year so far that is more than ten per cent below the regular pay deserves a look."""
    if stub is None:
        return ()
    regular = monthly_from_pay(stub.gross, stub.pay_frequency)
    low = _ytd_monthly(stub, applicant) < regular * (1 - ACCEPTED_DEVIATION)
    return ("ytd_below_pay",) if low else ()


def _earned(
    applicant: Applicant,
    stub: Paystub | None,
    paystub: Decimal | None,
    bank: Decimal | None,
    annual: Decimal | None,
) -> tuple[Decimal | None, IncomeMethod]:
    """What the job brings. The bank shows net pay, so it is compared with the net of the stub."""
    if stub is not None and paystub is not None:
        net = monthly_from_pay(stub.net, stub.pay_frequency)
        if bank is None or net == 0:
            return paystub, IncomeMethod.PAYSTUB
        return to_cents(paystub * min(Decimal(1), bank / net)), IncomeMethod.PAYSTUB_AND_BANK
    if annual is not None:
        return annual, IncomeMethod.ANNUAL_PROOF
    if bank is not None and applicant.employment.status in _EARNERS:
        return bank, IncomeMethod.BANK
    return None, IncomeMethod.NONE


def _newest_annual(proofs: tuple[AnnualIncomeProof, ...]) -> Decimal | None:
    """A twelfth of the newest year; several employers of one year add up."""
    if not proofs:
        return None
    newest = max(one.tax_year for one in proofs)
    total = sum((one.gross_income for one in proofs if one.tax_year == newest), Decimal(0))
    return to_cents(total / 12)


def _other_income(applicant: Applicant, papers: _TrustedDocuments) -> Decimal | None:
    """Letters of benefits, and income of other kinds that arrives month after month.

    A payment that is both announced by a letter and seen in the bank is counted once.
    """
    letters = sum((one.monthly_amount for one in papers.letters), Decimal(0))
    monthly: dict[str, dict[tuple[int, int], Decimal]] = {}
    for statement in papers.statements:
        for one in statement.transactions:
            if one.amount > 0 and one.category in _INCOME_CATEGORIES:
                months = monthly.setdefault(one.category, {})
                month = (one.posted_on.year, one.posted_on.month)
                months[month] = months.get(month, Decimal(0)) + one.amount
    seen = sum(
        (Decimal(median(months.values())) for months in monthly.values() if len(months) >= 2),
        Decimal(0),
    )
    return to_cents(max(letters, seen)) or None


def _net(stub: Paystub | None, bank: Decimal | None, other: Decimal | None) -> Decimal | None:
    """What is paid out: pay after deductions, and other income as it comes."""
    paid = [monthly_from_pay(stub.net, stub.pay_frequency)] if stub else []
    if bank is not None:
        paid.append(bank)
    return _sum(min(paid, default=None), other)


def _overall(method: IncomeMethod, other: Decimal | None) -> IncomeMethod:
    if other is None:
        return method
    return IncomeMethod.BENEFITS_LETTER if method is IncomeMethod.NONE else IncomeMethod.MIXED


def _sum(*amounts: Decimal | None) -> Decimal | None:
    known = [one for one in amounts if one is not None]
    return sum(known, Decimal(0)) if known else None
