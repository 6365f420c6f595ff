"""The ordinary applicant. Every persona differs from it in a few lines.

Everything is invented: mail at example.com, telephone numbers reserved for fiction, streets and
employers that do not exist. By default all documents agree with the application.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from data.contracts.application import (
    Address,
    Applicant,
    ApplicantRole,
    Application,
    Consent,
    Employment,
    EmploymentStatus,
    Ownership,
    Purpose,
)
from data.contracts.base import Contract, canonical_json
from data.contracts.bureau import (
    BureauReport,
    BureauScore,
    BureauStatus,
    Inquiry,
    ScoreFactor,
    Tradeline,
    TradelineType,
)
from data.contracts.case import Expected, Persona, PersonaCard
from data.contracts.documents import (
    AnnualIncomeProof,
    BankStatement,
    Deduction,
    Document,
    DocumentKind,
    IdentityDocument,
    PayFrequency,
    Paystub,
    Transaction,
)
from data.contracts.fraud import FraudSignals, PhoneType, Seen, Velocity
from data.rounding import cents, cents_up

AS_OF = date(2026, 11, 2)
RECEIVED = datetime(2026, 11, 2, 14, 5, tzinfo=UTC)
CONSENTED = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)

_TAKE_HOME = Decimal("0.78")
"""Net pay as a share of gross pay in every paystub below."""


@dataclass(frozen=True)
class Person:
    """One applicant of the personas. Amounts are US dollars per month."""

    first: str
    last: str
    ssn: str
    income: str
    """Gross income as stated. The documents show the same income unless they say otherwise."""
    housing: str = "1100.00"
    dob: date = date(1984, 6, 17)
    employer: str = "Prairie Freight Cooperative"
    since: date = date(2018, 3, 5)
    street: str = "410 Alder Street"
    dependents: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the applicant's contract."""

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}".strip()

    def applicant(self, role: ApplicantRole = ApplicantRole.PRIMARY) -> Applicant:
        stated = {
            "role": role,
            "first_name": self.first,
            "last_name": self.last,
            "dob": self.dob,
            "ssn": self.ssn,
            "email": f"{self.first}.{self.last}@example.com".lower().replace(" ", ""),
            "phone": f"+1 217 555 01{int(self.ssn[-2:]):02d}",
            "addresses": (self.address(),),
            "employment": Employment(
                status=EmploymentStatus.EMPLOYED,
                employer=self.employer,
                title="Coordinator",
                start_date=self.since,
                gross_monthly_stated=Decimal(self.income),
            ),
            "housing_payment_monthly": Decimal(self.housing),
            "dependents": self.dependents,
        }
        return Applicant(**(stated | self.extra))

    def address(self) -> Address:
        return Address(
            line1=self.street,
            city="Springfield",
            state="IL",
            postal_code="62704",
            since=date(2019, 8, 1),
            ownership=Ownership.RENT,
        )


def json_document(
    document_id: str,
    kind: DocumentKind,
    content: Contract,
    role: ApplicantRole = ApplicantRole.PRIMARY,
) -> Document:
    """A JSON document with the size and digest of its content."""
    body = canonical_json(content)
    return Document(
        document_id=document_id,
        kind=kind,
        applicant=role,
        media_type="application/json",
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        received_at=RECEIVED,
        content_base64=base64.b64encode(body).decode(),
    )


def licence(
    person: Person,
    role: ApplicantRole = ApplicantRole.PRIMARY,
    *,
    document_id: str = "licence",
    expires: date = date(2029, 6, 17),
) -> Document:
    """A driver's licence with the data of the person."""
    return json_document(
        f"{document_id}-{role}",
        DocumentKind.DRIVERS_LICENSE,
        IdentityDocument(
            number=f"{person.last[:1].upper()}{person.ssn.replace('-', '')[::-1]}",
            full_name=person.name,
            dob=person.dob,
            address=person.address(),
            issuer="Illinois Secretary of State",
            issue_date=date(expires.year - 4, expires.month, expires.day),
            expiry_date=expires,
            tamper_score=Decimal("0.02"),
        ),
        role,
    )


def paystub(
    person: Person,
    role: ApplicantRole = ApplicantRole.PRIMARY,
    *,
    document_id: str = "paystub",
    income: str | None = None,
    garnished: str | None = None,
) -> Document:
    """A paystub for the last two weeks, with a matching year-to-date sum. `income` is per month."""
    gross = _biweekly(income or person.income)
    deductions = [Deduction(label="Taxes and insurance", amount=gross - _net(gross))]
    if garnished is not None:
        deductions.append(
            Deduction(label="Court order", amount=Decimal(garnished), garnishment=True)
        )
    return json_document(
        f"{document_id}-{role}",
        DocumentKind.PAYSTUB,
        Paystub(
            employer=person.employer,
            employee_name=person.name,
            pay_frequency=PayFrequency.BIWEEKLY,
            period_start=date(2026, 10, 10),
            period_end=date(2026, 10, 23),
            pay_date=date(2026, 10, 30),
            gross=gross,
            net=_net(gross) - Decimal(garnished or 0),
            # There are 296 days from 1 January to the end of the pay period.
            ytd_gross=cents(gross * 296 / 14),
            deductions=tuple(deductions),
        ),
        role,
    )


def wage_statement(
    person: Person, role: ApplicantRole = ApplicantRole.PRIMARY, *, income: str | None = None
) -> Document:
    """The W-2 of the last year. `income` is per month."""
    return json_document(
        f"w2-{role}",
        DocumentKind.W2,
        AnnualIncomeProof(
            recipient_name=person.name,
            payer=person.employer,
            tax_year=AS_OF.year - 1,
            gross_income=Decimal(income or person.income) * 12,
        ),
        role,
    )


def bank_statement(
    person: Person,
    role: ApplicantRole = ApplicantRole.PRIMARY,
    *,
    income: str | None = None,
    nsf_count: int = 0,
    overdraft_days: int = 0,
) -> Document:
    """Three months of one account: pay every two weeks, and rent every month."""
    net = _net(_biweekly(income or person.income))
    paydays = [date(2026, 10, 30) - timedelta(days=14 * back) for back in range(6, -1, -1)]
    transactions = [
        Transaction(
            posted_on=day, amount=net, description=f"{person.employer} pay", category="payroll"
        )
        for day in paydays
    ]
    transactions += [
        Transaction(
            posted_on=date(2026, month, 3),
            amount=-Decimal(person.housing),
            description="Rent",
            category="housing",
        )
        for month in (8, 9, 10)
        if Decimal(person.housing) > 0
    ]
    transactions.sort(key=lambda transaction: transaction.posted_on)
    opening = Decimal("1850.00")
    return json_document(
        f"statement-{role}",
        DocumentKind.BANK_STATEMENT,
        BankStatement(
            account_last4=person.ssn[-4:][::-1],
            holder_name=person.name,
            period_start=date(2026, 8, 1),
            period_end=date(2026, 10, 31),
            opening_balance=opening,
            closing_balance=opening
            + sum((transaction.amount for transaction in transactions), Decimal(0)),
            transactions=tuple(transactions),
            nsf_count=nsf_count,
            overdraft_days=overdraft_days,
        ),
        role,
    )


def card(limit: str, balance: str, payment: str, **differs: Any) -> Tradeline:
    """A credit card account, eight years old by default."""
    return _line(TradelineType.REVOLVING, date(2018, 10, 1), limit, balance, payment, differs)


def loan(amount: str, balance: str, payment: str, **differs: Any) -> Tradeline:
    """A car loan, three years old by default."""
    return _line(TradelineType.AUTO, date(2023, 9, 1), amount, balance, payment, differs)


def report(person: Person, score: int | None, *lines: Tradeline, **differs: Any) -> BureauReport:
    """A bureau report. The file is as old as the first account. `score` None gives no score."""
    found = {
        "bureau": "Meridian Credit Bureau",
        "report_date": AS_OF,
        "status": BureauStatus.HIT,
        "subject_ssn_last4": person.ssn[-4:],
        "score": bureau_score(score) if score is not None else None,
        "tradelines": lines,
        "file_since": min((line.opened_on for line in lines), default=None),
    }
    return BureauReport(**(found | differs))


def bureau_score(value: int) -> BureauScore:
    return BureauScore(
        value=value,
        model="Meridian Risk 4",
        scored_on=AS_OF,
        factors=(
            ScoreFactor(code="14", text="Length of time accounts have been established"),
            ScoreFactor(code="05", text="Too many accounts with balances"),
            ScoreFactor(code="10", text="Proportion of balances to limits is too high"),
            ScoreFactor(code="08", text="Too many recent inquiries"),
        ),
    )


def inquiries(count: int) -> tuple[Inquiry, ...]:
    """Hard inquiries three weeks apart, the last one three weeks ago."""
    return tuple(
        Inquiry(inquired_on=AS_OF - timedelta(days=21 * back), purpose="Consumer credit")
        for back in range(1, count + 1)
    )


def ordinary_signals(name: str, **differs: Any) -> FraudSignals:
    """Ordinary fraud signals: a known device at home, an old mail address, one application."""
    once = Seen(days_1=1, days_7=1, days_30=1)
    seen = {
        "device_id": f"device-{hashlib.sha256(name.encode()).hexdigest()[:12]}",
        "ip_country": "US",
        "ip_distance_km": 6,
        "email_age_days": 2900,
        "phone_type": PhoneType.MOBILE,
        "velocity": Velocity(ssn=once, device=once, phone=once, address=once),
    }
    return FraudSignals(**(seen | differs))


def persona(
    slug: str,
    name: str,
    branch: str,
    expected: Expected,
    people: tuple[Person, ...],
    *,
    amount: str,
    term: int = 36,
    purpose: Purpose = Purpose.DEBT_CONSOLIDATION,
    documents: tuple[Document, ...] | None = None,
    bureau: BureauReport | None = None,
    co_bureau: BureauReport | None = None,
    signals: FraudSignals | None = None,
    later: tuple[Document, ...] = (),
) -> Persona:
    """A complete case. By default each applicant has a licence, a paystub and a bank statement."""
    roles = list(zip(people, ApplicantRole, strict=False))
    if documents is None:
        documents = tuple(
            document
            for person, role in roles
            for document in (
                licence(person, role),
                paystub(person, role),
                bank_statement(person, role),
            )
        )
    return Persona(
        persona=PersonaCard(name=name, branch=branch),
        expected=expected,
        later_documents=later,
        application=Application(
            application_id=slug,
            received_at=RECEIVED,
            as_of_date=AS_OF,
            purpose=purpose,
            amount_requested=Decimal(amount),
            term_months=term,
            state="IL",
            applicants=tuple(person.applicant(role) for person, role in roles),
            consent=Consent(
                credit_pull_at=CONSENTED, e_sign_at=CONSENTED, privacy_notice_at=CONSENTED
            ),
        ),
        documents=documents,
        bureau_report=bureau,
        co_bureau_report=co_bureau,
        fraud_signals=signals or ordinary_signals(slug),
    )


def _biweekly(monthly: str) -> Decimal:
    # Rounded up, so that 26 payments are not less than the yearly income.
    return cents_up(Decimal(monthly) * 12 / 26)


def _net(gross: Decimal) -> Decimal:
    return cents(gross * _TAKE_HOME)


def _line(
    kind: TradelineType,
    opened_on: date,
    limit: str,
    balance: str,
    payment: str,
    differs: dict[str, Any],
) -> Tradeline:
    found: dict[str, Any] = {
        "type": kind,
        "opened_on": opened_on,
        "limit": Decimal(limit),
        "balance": Decimal(balance),
        "payment_monthly": Decimal(payment),
    }
    return Tradeline(**(found | differs))
