"""The credit report of one applicant, as the bureau delivers it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.application import NonNegativeMoney
from data.contracts.base import Contract, Day, Flag, Money, SchemaVersion
from data.contracts.personal import Last4, Line, PersonalRecord
from data.contracts.quantities import Count


class BureauStatus(StrEnum):
    HIT = "hit"
    NO_HIT = "no_hit"
    THIN = "thin"
    FROZEN = "frozen"
    LOCKED = "locked"
    ERROR = "error"


class BureauAlert(StrEnum):
    FRAUD_INITIAL = "fraud_initial"
    FRAUD_EXTENDED = "fraud_extended"
    ACTIVE_DUTY = "active_duty"
    ADDRESS_DISCREPANCY = "address_discrepancy"
    SSN_DECEASED = "ssn_deceased"
    SSN_NOT_ISSUED = "ssn_not_issued"


READABLE_FILES = frozenset({BureauStatus.HIT, BureauStatus.THIN})
"""Files whose accounts the desk can see."""

CLOSED_FILES = frozenset({BureauStatus.FROZEN, BureauStatus.LOCKED})
"""Files that stay closed until the applicant opens them."""

IDENTITY_ALERTS = frozenset(
    {BureauAlert.FRAUD_INITIAL, BureauAlert.FRAUD_EXTENDED, BureauAlert.ACTIVE_DUTY}
)
"""Alerts that require a proof of identity before a lender grants credit (FCRA 605A)."""


class TradelineType(StrEnum):
    REVOLVING = "revolving"
    INSTALLMENT = "installment"
    MORTGAGE = "mortgage"
    AUTO = "auto"
    STUDENT = "student"
    OTHER = "other"


class TradelineStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    CHARGED_OFF = "charged_off"
    REPOSSESSED = "repossessed"
    FORECLOSED = "foreclosed"


class EcoaDesignator(StrEnum):
    INDIVIDUAL = "individual"
    JOINT = "joint"
    AUTHORIZED_USER = "authorized_user"


class PublicRecordType(StrEnum):
    BANKRUPTCY_CHAPTER_7 = "bankruptcy_chapter_7"
    BANKRUPTCY_CHAPTER_13 = "bankruptcy_chapter_13"
    JUDGMENT = "judgment"
    TAX_LIEN = "tax_lien"
    FORECLOSURE = "foreclosure"


class PublicRecordStatus(StrEnum):
    OPEN = "open"
    DISCHARGED = "discharged"
    DISMISSED = "dismissed"
    SATISFIED = "satisfied"


_SPECIAL_CODES = 9000
"""From here on a bureau's number says why there is no score."""


class ScoreFactor(Contract):
    """A reason why the score is not higher, with the bureau's own code and text."""

    code: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,8}$")]
    text: Line


class BureauScore(Contract):
    """A score as delivered. A value outside the range, such as 9000 or more, means 'no score'."""

    value: Annotated[int, Field(strict=True, ge=0, le=9999)]
    model: Line
    range_min: Count = 300
    range_max: Count = 850
    scored_on: Day
    factors: Annotated[tuple[ScoreFactor, ...], Field(max_length=5)] = ()

    @property
    def is_scored(self) -> bool:
        """Whether `value` is a score and not a special code, which a stated range cannot change."""
        return self.range_min <= self.value <= self.range_max and self.value < _SPECIAL_CODES


class Tradeline(Contract):
    """One account with one creditor."""

    type: TradelineType
    status: TradelineStatus = TradelineStatus.OPEN
    opened_on: Day
    closed_on: Day | None = None
    limit: NonNegativeMoney | None = None
    """Credit limit, or the original amount of a loan."""
    balance: Money = Decimal("0.00")
    payment_monthly: NonNegativeMoney = Decimal("0.00")
    past_due: NonNegativeMoney = Decimal("0.00")
    days_past_due: Count = 0
    """Days past due at the report's date."""
    dpd_30_count: Count = 0
    dpd_60_count: Count = 0
    dpd_90_count: Count = 0
    last_delinquency: Day | None = None
    """The last day on which the account was 30 or more days late."""
    designator: EcoaDesignator = EcoaDesignator.INDIVIDUAL


class Inquiry(Contract):
    inquired_on: Day
    hard: Flag = True
    purpose: Line = ""


class PublicRecord(Contract):
    type: PublicRecordType
    filed_on: Day
    status: PublicRecordStatus
    discharged_on: Day | None = None


class Collection(Contract):
    amount: NonNegativeMoney
    reported_on: Day
    paid: Flag = False


class BureauReport(PersonalRecord):
    """One bureau's answer about one applicant."""

    schema_version: SchemaVersion = 1
    bureau: Line
    report_date: Day
    status: BureauStatus
    subject_ssn_last4: Last4 | None = None
    """Last four digits of the SSN in the file. The file may belong to another person."""
    score: BureauScore | None = None
    alerts: tuple[BureauAlert, ...] = ()
    tradelines: Annotated[tuple[Tradeline, ...], Field(max_length=500)] = ()
    inquiries: Annotated[tuple[Inquiry, ...], Field(max_length=500)] = ()
    public_records: Annotated[tuple[PublicRecord, ...], Field(max_length=100)] = ()
    collections: Annotated[tuple[Collection, ...], Field(max_length=100)] = ()
    file_since: Day | None = None
