"""The ordinary applicant. Personas and synthetic portfolios differ from it in a few lines.

All dates follow from the day on which a person applies. Everything is invented: mail at
example.com, telephone numbers reserved for fiction, streets and employers that do not exist. By
default all documents agree with the application.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
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
from data.contracts.case import CaseFile, Expected, Persona, PersonaCard
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
"""The day on which the personas apply."""
_CONSENTED = time(14, 0, tzinfo=UTC)
_RECEIVED = time(14, 5, tzinfo=UTC)

_TAKE_HOME = Decimal("0.78")
"""Net pay as a share of gross pay in every paystub below."""


@dataclass(frozen=True)
class Home:
    """Where an applicant lives."""

    street: str = "410 Alder Street"
    city: str = "Springfield"
    state: str = "IL"
    postal_code: str = "62704"
    area_code: str = "217"
    licensed_by: str = "Illinois Secretary of State"


@dataclass(frozen=True)
class Person:
    """One applicant. Amounts are US dollars per month."""

    first: str
    last: str
    ssn: str
    income: str
    """Gross income as stated. The documents show the same income unless they say otherwise."""
    housing: str = "1100.00"
    dob: date = date(1984, 6, 17)
    employer: str = "Prairie Freight Cooperative"
    since: date = date(2018, 3, 5)
    home: Home = Home()
    dependents: int = 0
    as_of: date = AS_OF
    """The day on which the person applies."""
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
            "phone": f"+1 {self.home.area_code} 555 01{int(self.ssn[-2:]):02d}",
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
            "military_covered_borrower": False,
        }
        return Applicant(**(stated | self.extra))

    def address(self) -> Address:
        return Address(
            line1=self.home.street,
            city=self.home.city,
            state=self.home.state,
            postal_code=self.home.postal_code,
            since=date(2019, 8, 1),
            ownership=Ownership.RENT,
        )


def json_document(
    document_id: str,
    kind: DocumentKind,
    content: Contract,
    role: ApplicantRole = ApplicantRole.PRIMARY,
    *,
    as_of: date = AS_OF,
) -> Document:
    """A JSON document with the size and digest of its content, received on a day."""
    body = canonical_json(content)
    return Document(
        document_id=document_id,
        kind=kind,
        applicant=role,
        media_type="application/json",
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        received_at=datetime.combine(as_of, _RECEIVED),
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
            issuer=person.home.licensed_by,
            issue_date=date(expires.year - 4, expires.month, expires.day),
            expiry_date=expires,
            tamper_score=Decimal("0.02"),
        ),
        role,
        as_of=person.as_of,
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
    period_end = person.as_of - timedelta(days=10)
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
            period_start=period_end - timedelta(days=13),
            period_end=period_end,
            pay_date=_last_payday(person.as_of),
            gross=gross,
            net=_net(gross) - Decimal(garnished or 0),
            # Early in a year, the period reaches back into the year before.
            ytd_gross=max(gross, cents(gross * period_end.timetuple().tm_yday / 14)),
            deductions=tuple(deductions),
        ),
        role,
        as_of=person.as_of,
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
            tax_year=person.as_of.year - 1,
            gross_income=Decimal(income or person.income) * 12,
        ),
        role,
        as_of=person.as_of,
    )


def bank_statement(
    person: Person,
    role: ApplicantRole = ApplicantRole.PRIMARY,
    *,
    income: str | None = None,
    nsf_count: int = 0,
    overdraft_days: int = 0,
) -> Document:
    """The last three whole months of one account: pay every two weeks, and rent every month."""
    net = _net(_biweekly(income or person.income))
    months = [months_before(person.as_of, back) for back in (3, 2, 1)]
    period_start, period_end = months[0], person.as_of.replace(day=1) - timedelta(days=1)
    paydays = [
        payday
        for back in range(9, -1, -1)
        if period_start
        <= (payday := _last_payday(person.as_of) - timedelta(days=14 * back))
        <= period_end
    ]
    transactions = [
        Transaction(
            posted_on=day, amount=net, description=f"{person.employer} pay", category="payroll"
        )
        for day in paydays
    ]
    transactions += [
        Transaction(
            posted_on=month.replace(day=3),
            amount=-Decimal(person.housing),
            description="Rent",
            category="housing",
        )
        for month in months
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
            period_start=period_start,
            period_end=period_end,
            opening_balance=opening,
            closing_balance=opening
            + sum((transaction.amount for transaction in transactions), Decimal(0)),
            transactions=tuple(transactions),
            nsf_count=nsf_count,
            overdraft_days=overdraft_days,
        ),
        role,
        as_of=person.as_of,
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
        "report_date": person.as_of,
        "status": BureauStatus.HIT,
        "subject_ssn_last4": person.ssn[-4:],
        "score": bureau_score(score, person.as_of) if score is not None else None,
        "tradelines": lines,
        "file_since": min((line.opened_on for line in lines), default=None),
    }
    return BureauReport(**(found | differs))


def bureau_score(value: int, scored_on: date = AS_OF) -> BureauScore:
    return BureauScore(
        value=value,
        model="Meridian Risk 4",
        scored_on=scored_on,
        factors=(
            ScoreFactor(code="14", text="Length of time accounts have been established"),
            ScoreFactor(code="05", text="Too many accounts with balances"),
            ScoreFactor(code="10", text="Proportion of balances to limits is too high"),
            ScoreFactor(code="08", text="Too many recent inquiries"),
        ),
    )


def inquiries(count: int, as_of: date = AS_OF) -> tuple[Inquiry, ...]:
    """Hard inquiries three weeks apart, the last one three weeks ago."""
    return tuple(
        Inquiry(inquired_on=as_of - timedelta(days=21 * back), purpose="Consumer credit")
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


def bundle(
    application_id: str,
    people: tuple[Person, ...],
    *,
    amount: str,
    term: int = 36,
    purpose: Purpose = Purpose.DEBT_CONSOLIDATION,
    documents: tuple[Document, ...] | None = None,
    bureau: BureauReport | None = None,
    co_bureau: BureauReport | None = None,
    signals: FraudSignals | None = None,
) -> CaseFile:
    """A complete case. By default each applicant has a licence, a paystub and a bank statement."""
    roles = list(zip(people, ApplicantRole, strict=False))
    as_of, consented = people[0].as_of, datetime.combine(people[0].as_of, _CONSENTED)
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
    return CaseFile(
        application=Application(
            application_id=application_id,
            received_at=datetime.combine(as_of, _RECEIVED),
            as_of_date=as_of,
            purpose=purpose,
            amount_requested=Decimal(amount),
            term_months=term,
            state=people[0].home.state,
            applicants=tuple(person.applicant(role) for person, role in roles),
            consent=Consent(
                credit_pull_at=consented, e_sign_at=consented, privacy_notice_at=consented
            ),
        ),
        documents=documents,
        bureau_report=bureau,
        co_bureau_report=co_bureau,
        fraud_signals=signals or ordinary_signals(application_id),
    )


def persona(
    slug: str,
    name: str,
    branch: str,
    expected: Expected,
    people: tuple[Person, ...],
    *,
    later: tuple[Document, ...] = (),
    **differs: Any,
) -> Persona:
    """A case with its expected results. `differs` are further arguments of `bundle`."""
    return Persona(
        persona=PersonaCard(name=name, branch=branch),
        expected=expected,
        later_documents=later,
        **dict(bundle(slug, people, **differs)),
    )


def _last_payday(as_of: date) -> date:
    return as_of - timedelta(days=3)


def months_before(day: date, months: int) -> date:
    """The first day of the month that lies some months before the month of a day."""
    month = day.year * 12 + day.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


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
