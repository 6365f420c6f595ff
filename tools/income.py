"""Income verification: the stated income against the documents.

All amounts are US dollars per month, gross unless said otherwise, rounded half up to the cent.
Pay is annualised with 52, 26, 24 or 12 periods. When sources disagree, the lower figure counts,
and never more than the stated income. The source of an income never lowers its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from statistics import median

from data.contracts.application import Applicant, ApplicantRole, EmploymentStatus
from data.contracts.case import CaseFile
from data.contracts.documents import (
    AnnualIncomeProof,
    BankStatement,
    BenefitsLetter,
    Document,
    DocumentContent,
    DocumentKind,
    Paystub,
)
from data.contracts.findings import IncomeStability, IncomeVerdict
from data.contracts.policy import Stipulation
from data.rounding import cents, four_places
from tools.base import tool
from tools.documents import inconsistencies, readable_documents, staleness
from tools.names import same_person_by_name
from tools.payroll import (
    monthly_from_pay,
    pay_stability,
    payroll_deposits,
    recurring_monthly,
)

ACCEPTED_DEVIATION = Decimal("0.10")
REFERRED_DEVIATION = Decimal("0.25")
"""Between these deviations the lower figure counts, and the applicant has to explain."""

_YEARLY_FROM = 8
"""A stated income of eight times the verified income looks like a yearly figure."""

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
    """The income of one applicant that the documents prove."""

    stated: Decimal
    paystub: Decimal | None = None
    bank: Decimal | None = None
    """Net deposits, as they arrive."""
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
    """Verify one applicant's income with their documents.

    A document is ignored, with a warning, when it is stale, contradicts itself or belongs to
    another person. `verified` is None when the applicant stated an income and proved none.
    """
    applicant = next(person for person in case.application.applicants if person.role is role)
    documents = _TrustedDocuments.of(case, applicant)
    stub = max(
        documents.paystubs, key=lambda content: (content.pay_date, content.gross), default=None
    )
    pay, cadence = payroll_deposits(documents.statements, applicant.employment.employer)
    paystub = _monthly_of(stub, applicant) if stub else None
    bank = recurring_monthly(pay, cadence)
    annual = _newest_annual(documents.annual)
    earned, method = _earned(applicant, stub, paystub, bank, annual)
    other = _other_income(documents)
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
        garnishment=any(
            deduction.garnishment
            for document in documents.paystubs
            for deduction in document.deductions
        ),
        nsf_count=sum(statement.nsf_count for statement in documents.statements),
        overdraft_days=sum(statement.overdraft_days for statement in documents.statements),
        evidence=documents.evidence,
        warnings=tuple(sorted({*documents.warnings, *_ytd_warning(stub, applicant)})),
    )


def deviation(stated: Decimal, verified: Decimal | None) -> Decimal | None:
    """(stated - verified) / stated, to four places; None without a verified income."""
    if verified is None:
        return None
    if stated == 0:
        return Decimal("0.0000")
    return four_places((stated - verified) / stated)


def verdict(stated: Decimal, verified: Decimal | None) -> IncomeVerdict:
    """DISCREPANT above a deviation of 25 %, UNVERIFIABLE without a verified income."""
    gap = deviation(stated, verified)
    if gap is None:
        return IncomeVerdict.UNVERIFIABLE
    return IncomeVerdict.DISCREPANT if gap > REFERRED_DEVIATION else IncomeVerdict.VERIFIED


def income_stipulations(stated: Decimal, verified: Decimal | None) -> tuple[Stipulation, ...]:
    """What the applicant has to explain: a gap of 10 to 25 %, or a yearly figure."""
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
    """The documents of one applicant that the desk accepts, by kind."""

    paystubs: tuple[Paystub, ...]
    statements: tuple[BankStatement, ...]
    annual: tuple[AnnualIncomeProof, ...]
    letters: tuple[BenefitsLetter, ...]
    evidence: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, case: CaseFile, applicant: Applicant) -> _TrustedDocuments:
        kept: list[tuple[Document, DocumentContent]] = []
        warnings: list[str] = []
        for document, content in readable_documents(
            case,
            applicant.role,
            DocumentKind.PAYSTUB,
            DocumentKind.BANK_STATEMENT,
            DocumentKind.W2,
            DocumentKind.TAX_RETURN,
            DocumentKind.BENEFITS_LETTER,
        ):
            doubts = _doubts(document, content, case)
            if doubts:
                warnings += [f"{document.document_id}:{code}" for code in doubts]
            else:
                kept.append((document, content))
        contents = [content for _, content in kept]
        return cls(
            paystubs=tuple(found for found in contents if isinstance(found, Paystub)),
            statements=tuple(found for found in contents if isinstance(found, BankStatement)),
            annual=tuple(found for found in contents if isinstance(found, AnnualIncomeProof)),
            letters=tuple(found for found in contents if isinstance(found, BenefitsLetter)),
            evidence=tuple(document.document_id for document, _ in kept),
            warnings=tuple(warnings),
        )


def _doubts(document: Document, content: DocumentContent, case: CaseFile) -> tuple[str, ...]:
    found = list(inconsistencies(content))
    stale = staleness(document, content, case.application)
    # A stale bank statement still counts, because it shows how regularly pay arrives.
    if stale is not None and not (isinstance(content, BankStatement) and stale == "document_stale"):
        found.append(stale)
    if not _is_theirs(document, content, case):
        found.append("of_other_person")
    return tuple(found)


def _is_theirs(document: Document, content: DocumentContent, case: CaseFile) -> bool:
    """Whether a document belongs to its applicant. An account may belong to the co-applicant."""
    applicants = case.application.applicants
    own = [person.full_name for person in applicants if person.role is document.applicant]
    match content:
        case Paystub():
            return any(same_person_by_name(name, content.employee_name) for name in own)
        case BankStatement():
            return any(
                same_person_by_name(person.full_name, content.holder_name) for person in applicants
            )
        case AnnualIncomeProof() | BenefitsLetter():
            return any(same_person_by_name(name, content.recipient_name) for name in own)
        case _:
            return True


def _monthly_of(stub: Paystub, applicant: Applicant) -> Decimal:
    """Annualised pay per month, or year-to-date pay per month when that is clearly less."""
    regular = monthly_from_pay(stub.gross, stub.pay_frequency)
    so_far = _ytd_monthly(stub, applicant)
    return min(regular, so_far) if _ytd_warning(stub, applicant) else regular


def _ytd_monthly(stub: Paystub, applicant: Applicant) -> Decimal:
    """Year-to-date pay per month, over the part of the year that the applicant worked."""
    first_day = date(stub.period_end.year, 1, 1)
    start = applicant.employment.start_date
    if start is not None and start > first_day:
        first_day = min(start, stub.period_start)
    days_worked = (stub.period_end - first_day).days + 1
    return cents(stub.ytd_gross / days_worked * Decimal("365") / 12)


def _ytd_warning(stub: Paystub | None, applicant: Applicant) -> tuple[str, ...]:
    """`ytd_below_pay` when year-to-date pay is more than 10 % below the regular pay."""
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
    """Earned income, and how it was verified. Bank deposits are compared with the net pay."""
    if stub is not None and paystub is not None:
        net = monthly_from_pay(stub.net, stub.pay_frequency)
        if bank is None or net == 0:
            return paystub, IncomeMethod.PAYSTUB
        return cents(paystub * min(Decimal(1), bank / net)), IncomeMethod.PAYSTUB_AND_BANK
    if annual is not None:
        return annual, IncomeMethod.ANNUAL_PROOF
    if bank is not None and applicant.employment.status in _EARNERS:
        return bank, IncomeMethod.BANK
    return None, IncomeMethod.NONE


def _newest_annual(proofs: tuple[AnnualIncomeProof, ...]) -> Decimal | None:
    """A twelfth of the income of the newest year. Several employers of one year add up."""
    if not proofs:
        return None
    newest = max(proof.tax_year for proof in proofs)
    total = sum((proof.gross_income for proof in proofs if proof.tax_year == newest), Decimal(0))
    return cents(total / 12)


def _other_income(documents: _TrustedDocuments) -> Decimal | None:
    """Income of other kinds, from letters of benefits and from bank deposits of several months.

    A letter and the bank statements may show the same payment, so the larger sum counts.
    """
    letters = sum((letter.monthly_amount for letter in documents.letters), Decimal(0))
    monthly: dict[str, dict[tuple[int, int], Decimal]] = {}
    for statement in documents.statements:
        for transaction in statement.transactions:
            if transaction.amount > 0 and transaction.category in _INCOME_CATEGORIES:
                months = monthly.setdefault(transaction.category, {})
                month = (transaction.posted_on.year, transaction.posted_on.month)
                months[month] = months.get(month, Decimal(0)) + transaction.amount
    seen = sum(
        (Decimal(median(months.values())) for months in monthly.values() if len(months) >= 2),
        Decimal(0),
    )
    return cents(max(letters, seen)) or None


def _net(stub: Paystub | None, bank: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Net income: pay after deductions, and other income without deductions."""
    paid = [monthly_from_pay(stub.net, stub.pay_frequency)] if stub else []
    if bank is not None:
        paid.append(bank)
    return _sum(min(paid, default=None), other)


def _overall(method: IncomeMethod, other: Decimal | None) -> IncomeMethod:
    if other is None:
        return method
    return IncomeMethod.BENEFITS_LETTER if method is IncomeMethod.NONE else IncomeMethod.MIXED


def _sum(*amounts: Decimal | None) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
