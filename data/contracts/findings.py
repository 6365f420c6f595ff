"""The agents' answers. A finding holds results, scores, codes and ids, and no personal data."""

from __future__ import annotations

import operator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.application import ApplicantRole, NonNegativeMoney
from data.contracts.base import Contract, Day, Money, Rate, Slug
from data.contracts.bureau import (
    CLOSED_FILES,
    BureauAlert,
    BureauScore,
    BureauStatus,
    PublicRecordType,
)
from data.contracts.decision import Grade, Offer
from data.contracts.documents import DocumentKind
from data.contracts.policy import ReasonCode, Stipulation
from data.contracts.quantities import Count, Months, Points, Share
from data.contracts.screening import WatchlistScreening, WatchlistStatus


class FindingStatus(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    """The agent answered, but with less information than it needs."""
    FAILED = "failed"


class Finding(Contract):
    """The common part of every agent's answer."""

    agent: str
    agent_version: str
    status: FindingStatus = FindingStatus.OK
    evidence: tuple[str, ...] = ()
    """Ids of the documents and list entries that support the answer."""
    warnings: tuple[str, ...] = ()
    """Codes."""


class Presence(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    UNUSABLE = "unusable"
    STALE = "stale"
    EXPIRED = "expired"


class Completeness(StrEnum):
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNUSABLE = "unusable"
    """A required document was sent, but the desk cannot read it."""


class ChecklistItem(Contract):
    """One thing that an applicant has to prove, with any one of several kinds of document."""

    applicant: ApplicantRole
    purpose: str
    """`identity`, `income`, `other_income` or `bank_account`."""
    kinds: tuple[DocumentKind, ...]
    required: bool
    presence: Presence
    document_ids: tuple[Slug, ...] = ()


class DocumentReading(Contract):
    """The result of reading one document."""

    document_id: Slug
    kind: DocumentKind
    problem: str | None = None
    """A problem code; None when the document was read and can be used."""


class DocIntakeFinding(Finding):
    completeness: Completeness
    checklist: tuple[ChecklistItem, ...]
    readings: tuple[DocumentReading, ...] = ()
    stipulations: tuple[Stipulation, ...] = ()


class IdentityStatus(StrEnum):
    VERIFIED = "verified"
    PARTIAL = "partial"
    FAILED = "failed"


class MatchLevel(StrEnum):
    EXACT = "exact"
    CLOSE = "close"
    NONE = "none"
    NOT_CHECKED = "not_checked"


class FieldMatch(Contract):
    level: MatchLevel
    score: Points | None = None
    """Similarity from 0 to 100; None when nothing was compared."""


class IdentityDocumentStatus(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    TAMPERED = "tampered"
    UNSUPPORTED = "unsupported"
    MISSING = "missing"


class IdentityMatch(Contract):
    """One applicant against the identity document."""

    applicant: ApplicantRole
    name: FieldMatch
    dob: FieldMatch
    address: FieldMatch
    ssn: FieldMatch
    document_status: IdentityDocumentStatus
    document_id: Slug | None = None


class KycFinding(Finding):
    identity_status: IdentityStatus
    matches: tuple[IdentityMatch, ...]
    """One per applicant, the primary first."""
    watchlist: WatchlistScreening
    alerts_handled: tuple[BureauAlert, ...] = ()
    """Alerts that require a proof of identity, which the applicant has given."""

    def without_candidates(self) -> KycFinding:
        """The finding for every reader: the result of the screening, without the list's entries."""
        listed = {candidate.entry_id for candidate in self.watchlist.candidates}
        return self.model_copy(
            update={
                "evidence": tuple(found for found in self.evidence if found not in listed),
                "watchlist": self.watchlist.model_copy(update={"candidates": ()}),
            }
        )


class FraudBand(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Typology(StrEnum):
    SYNTHETIC = "synthetic"
    THIRD_PARTY = "third_party"
    FIRST_PARTY = "first_party"
    BUST_OUT = "bust_out"
    MULE = "mule"


class FraudSignal(Contract):
    code: str
    weight: Count
    """The points that it adds to the score."""
    value: str
    """The observed number or code, without the person concerned."""


class FraudFinding(Finding):
    score: Annotated[Count, Field(le=1000)]
    band: FraudBand
    signals: tuple[FraudSignal, ...] = ()
    typology: Typology | None = None


class IncomeVerdict(StrEnum):
    VERIFIED = "verified"
    DISCREPANT = "discrepant"
    UNVERIFIABLE = "unverifiable"


class IncomeStability(Contract):
    """How regularly pay arrives in the bank."""

    months: Months
    """Months with at least one pay deposit."""
    deposits: Count
    cadence: str
    """`weekly`, `biweekly`, `semimonthly`, `monthly` or `irregular`."""
    cv: Rate
    """Standard deviation of the deposits over their mean."""


class IncomeFinding(Finding):
    """Gross amounts per month, all applicants together, unless said otherwise."""

    stated_monthly: NonNegativeMoney
    """Without income that ends before the loan."""
    paystub_monthly: NonNegativeMoney | None = None
    bank_monthly: NonNegativeMoney | None = None
    """Net deposits, as they arrived."""
    other_monthly: NonNegativeMoney | None = None
    """From W-2, tax return or a letter of benefits."""
    verified_monthly: NonNegativeMoney | None = None
    """The income that the desk uses; None when nothing could be verified."""
    net_monthly: NonNegativeMoney | None = None
    """Income after deductions, as far as documents show it; None when unknown."""
    gross_without_net: NonNegativeMoney = Decimal("0.00")
    """The part of `verified_monthly` whose net amount no document shows."""
    method: str
    """`paystub`, `paystub_and_bank`, `bank`, `annual_proof`, `benefits_letter`, `mixed`, `none`."""
    deviation: Rate | None = None
    """(stated - verified) / stated; negative when verified income exceeds stated income."""
    stability: IncomeStability | None = None
    confidence: Share
    verdict: IncomeVerdict
    garnishment: bool = False
    nsf_count: Count = 0
    overdraft_days: Count = 0
    stipulations: tuple[Stipulation, ...] = ()


class BureauAttributes(Contract):
    """Attributes derived from a report as of one day, under fixed names."""

    version: str
    trades_open: Count
    oldest_trade_months: Months | None = None
    utilization_revolving: Rate | None = None
    """Balances over limits; None without a revolving limit."""
    worst_dpd_12m: Count
    worst_dpd_24m: Count
    current_dpd: Count
    months_since_delinquency: Months | None = None
    inquiries_6m: Count
    collections_open_amount: Money
    """Unpaid collections and charge-offs of the last twelve months."""
    public_record_24m: Count
    public_record_kinds: tuple[PublicRecordType, ...] = ()
    """The kinds of the records that `public_record_24m` counts."""
    bankruptcy_open: bool = False
    months_since_bankruptcy_discharge: Months | None = None
    authorized_user_share: Share | None = None
    monthly_obligations: Money
    """Payments on the applicant's own open accounts, without mortgages."""
    mortgage_payment_monthly: Money = Decimal("0.00")
    thin_file: bool
    current_dpd_class: Count | None = None
    """Days past due today as a bureau's class: 0, 30, 60 or 90. Attributes that were derived before
    version 1.2.0 have None here and below."""
    worst_dpd_class_6m: Count | None = None
    """The worst class of the last six months."""
    months_since_30_dpd_6m: Months | None = None
    """Months since an account was last 30 days late; 6 when none was in six months."""
    months_30_dpd_6m: Count | None = None
    """Months of the last six in which the worst account was 30 or more days late."""
    months_60_dpd_6m: Count | None = None
    older_dpd_class_24m: Count | None = None
    """The worst class of accounts that were last late 6 to 23 months ago."""


class ReportRead(Contract):
    """A report that a bureau sent about one applicant, also an empty or a closed one."""

    applicant: ApplicantRole
    bureau: str
    score: BureauScore | None = None
    """This applicant's own; None where the bureau sent a special code or no score."""


class BureauFinding(Finding):
    bureau_status: BureauStatus
    bureau: str = ""
    report_date: Day | None = None
    attributes: BureauAttributes | None = None
    alerts: tuple[BureauAlert, ...] = ()
    score: BureauScore | None = None
    """None also when the bureau sent a special code instead of a score."""
    monthly_obligations: Money | None = None
    reports: Annotated[tuple[ReportRead, ...], Field(exclude_if=operator.not_)] = ()
    """The reports that have come, also where that of the other applicant has not. Findings that
    are older than this list have none."""

    @property
    def is_frozen(self) -> bool:
        """Whether the applicant has to open the file before the desk can read it."""
        return self.bureau_status in CLOSED_FILES


class KeyFactor(Contract):
    """An attribute that cost points, with the reason that it stands for."""

    attribute: str
    code: ReasonCode
    points_lost: Points


class MemberFinding(Finding):
    """The result of one model."""

    model: str
    model_version: str
    pd: Share
    """Probability of default within the model's horizon."""
    score: Points
    pdo: Annotated[Points | None, Field(exclude_if=operator.not_)] = None
    """The points of the card that double the odds; None in findings that are older than it."""
    top_factors: tuple[KeyFactor, ...] = ()


class AffordabilityFinding(Finding):
    """Whether the applicants can repay the loan. Amounts per month."""

    amount: Money
    """Of the loan that is assessed."""
    term_months: Months
    annual_rate: Rate
    payment: Money
    """Of the loan that is assessed."""
    verified_income: Money
    net_income: Money
    obligations: Money
    housing: Money
    dti_front: Rate | None = None
    """Housing over income: the front-end ratio. Findings that are older than it have none."""
    dti_before: Rate
    dti_after: Rate
    dti_stressed: Rate
    pti: Rate
    residual_income: Money
    residual_income_stressed: Money
    residual_floor: Money
    max_principal: Money
    """The largest amount that keeps debt to income within the cap."""
    first_months: Rate = Decimal(1)
    """The time to the first payment of the loan that is assessed."""


class RiskFinding(Finding):
    members: tuple[MemberFinding, ...] = ()
    pd_ensemble: Share | None = None
    grade: Grade | None = None
    disagreement: Rate | None = None
    """The largest gap between two members' log-odds."""
    ability: AffordabilityFinding | None = None
    expected_loss: Money | None = None
    key_factors: tuple[KeyFactor, ...] = ()
    """What lowered the blend of all members, the most expensive attribute first."""


class PricingFinding(Finding):
    offers: tuple[Offer, ...] = ()
    """Offers for the requested amount and term."""
    counter_offers: Annotated[tuple[Offer, ...], Field(max_length=3)] = ()


class Unanswered(Contract):
    """An agent that the desk asked and that did not answer."""

    agent: str
    code: str


class Verification(Contract):
    """The findings on identity, fraud and income, and the agents that did not answer."""

    kyc: KycFinding | None = None
    fraud: FraudFinding | None = None
    income: IncomeFinding | None = None
    unanswered: tuple[Unanswered, ...] = ()

    @property
    def is_sanctioned(self) -> bool:
        """Whether an applicant is a person on a sanctions list. Such a case ends here."""
        return self.kyc is not None and self.kyc.watchlist.status is WatchlistStatus.TRUE_MATCH
