"""The documents of a case: the file with its bytes, and the typed content read from it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.application import Address, ApplicantRole, NonNegativeMoney
from data.contracts.base import Contract, Day, Flag, Moment, Money, Sha256
from data.contracts.personal import (
    AccountNumber,
    ChosenId,
    Dob,
    Line,
    Personal,
    PersonalRecord,
    PersonalText,
    RequiredName,
)
from data.contracts.quantities import Count, Share


class DocumentKind(StrEnum):
    DRIVERS_LICENSE = "drivers_license"
    PASSPORT = "passport"
    STATE_ID = "state_id"
    PAYSTUB = "paystub"
    W2 = "w2"
    TAX_RETURN = "tax_return"
    BANK_STATEMENT = "bank_statement"
    PROOF_OF_ADDRESS = "proof_of_address"
    BENEFITS_LETTER = "benefits_letter"


IDENTITY_KINDS = frozenset(
    {DocumentKind.DRIVERS_LICENSE, DocumentKind.PASSPORT, DocumentKind.STATE_ID}
)


class DocumentRef(Contract):
    """The properties of a document that are known without reading it."""

    document_id: ChosenId
    kind: DocumentKind
    applicant: ApplicantRole = ApplicantRole.PRIMARY
    """The applicant to whom the document belongs."""
    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]+$")]
    size_bytes: Count
    sha256: Sha256
    received_at: Moment
    pages: Annotated[Count, Field(ge=1)] = 1


class Document(PersonalRecord, DocumentRef):
    """A document with its bytes. The reader checks them against size and digest."""

    content_base64: Annotated[str, Field(max_length=8_000_000), Personal("text")] = ""


class IdentityDocument(PersonalRecord):
    """A licence, passport or state ID: the fields that the desk compares."""

    number: AccountNumber
    full_name: RequiredName
    dob: Dob
    address: Address | None = None
    issuer: Line
    issue_date: Day
    expiry_date: Day
    mrz: Annotated[tuple[str, ...], Personal("text")] = ()
    """The machine-readable lines (ICAO 9303): two of 44 in a passport, three of 30 on a card."""
    tamper_score: Share | None = None
    """The scanner's probability of a forgery; None when the scanner gave none."""


class PayFrequency(StrEnum):
    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    SEMIMONTHLY = "semimonthly"
    MONTHLY = "monthly"

    @property
    def periods_per_year(self) -> int:
        """52, 26, 24 or 12."""
        return {"weekly": 52, "biweekly": 26, "semimonthly": 24, "monthly": 12}[self.value]


class Deduction(Contract):
    label: Line
    amount: NonNegativeMoney
    garnishment: Flag = False
    """Withheld for a creditor or a court, rather than for taxes or savings."""


class Paystub(PersonalRecord):
    """One pay period of one employee, with the year-to-date gross pay."""

    employer: Line
    employee_name: RequiredName
    pay_frequency: PayFrequency
    period_start: Day
    period_end: Day
    pay_date: Day
    gross: NonNegativeMoney
    net: NonNegativeMoney
    ytd_gross: NonNegativeMoney
    deductions: tuple[Deduction, ...] = ()


class Transaction(PersonalRecord):
    """One line of a bank statement. Money in is positive, money out is negative."""

    posted_on: Day
    amount: Money
    description: PersonalText
    category: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")] = "other"


class BankStatement(PersonalRecord):
    account_last4: Annotated[str, Field(pattern=r"^[0-9]{4}$"), Personal("account")]
    holder_name: RequiredName
    period_start: Day
    period_end: Day
    opening_balance: Money
    closing_balance: Money
    transactions: Annotated[tuple[Transaction, ...], Field(max_length=10_000)] = ()
    nsf_count: Count = 0
    """Payments returned for insufficient funds."""
    overdraft_days: Count = 0


class AnnualIncomeProof(PersonalRecord):
    """A W-2 or a tax return: the gross income of one calendar year."""

    recipient_name: RequiredName
    payer: Line = ""
    """The employer of a W-2; empty on a tax return."""
    tax_year: Annotated[int, Field(strict=True, ge=1900, le=2200)]
    gross_income: NonNegativeMoney


class BenefitsLetter(PersonalRecord):
    """A letter in which a public or private payer confirms a monthly payment."""

    recipient_name: RequiredName
    payer: Line
    letter_date: Day
    monthly_amount: NonNegativeMoney


DocumentContent = IdentityDocument | Paystub | BankStatement | AnnualIncomeProof | BenefitsLetter
"""The typed content of a document that the desk has read."""
