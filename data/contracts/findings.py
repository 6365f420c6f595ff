"""What the agents answer. No finding holds personal data: results, scores, codes and ids only."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.application import ApplicantRole, NonNegativeMoney
from data.contracts.base import Contract, Money, Rate, Sha256, Slug
from data.contracts.bureau import BureauAlert, BureauScore, BureauStatus
from data.contracts.decision import Grade, Offer
from data.contracts.documents import DocumentKind
from data.contracts.policy import ReasonCode, Stipulation
from data.contracts.quantities import Count, Months, Points, Share


class FindingStatus(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    """Answered, with less to go on than there should be."""
    FAILED = "failed"


class Finding(Contract):
    """The common part of every agent's answer."""

    agent: str
    agent_version: str
    status: FindingStatus = FindingStatus.OK
    evidence: tuple[str, ...] = ()
    """Ids of the documents and entries the answer rests on."""
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
    """What is required was sent, and cannot be read."""


class ChecklistItem(Contract):
    """One thing an applicant has to show, by any one of several kinds of paper."""

    applicant: ApplicantRole
    purpose: str
    """`identity` or `income`."""
    kinds: tuple[DocumentKind, ...]
    required: bool
    presence: Presence
    document_ids: tuple[Slug, ...] = ()


class DocumentReading(Contract):
    """How reading one paper went."""

    document_id: Slug
    kind: DocumentKind
    problem: str | None = None
    """A code; None when the paper was read and is fit for use."""


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
    """Likeness from 0 to 100; None when nothing was compared."""


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


class WatchlistStatus(StrEnum):
    CLEAR = "clear"
    POTENTIAL = "potential"
    TRUE_MATCH = "true_match"


class WatchlistCandidate(Contract):
    """One entry that looks like one applicant."""

    applicant: ApplicantRole
    entry_id: Slug
    status: WatchlistStatus
    score: Points
    dob_agrees: bool | None
    """None when the list knows no date of birth."""


class WatchlistScreening(Contract):
    """The answer of one edition of one list."""

    status: WatchlistStatus
    candidates: tuple[WatchlistCandidate, ...] = ()
    list_name: Slug
    list_date: date
    list_version: Sha256


class KycFinding(Finding):
    identity_status: IdentityStatus
    matches: tuple[IdentityMatch, ...]
    """One per applicant, the primary first."""
    watchlist: WatchlistScreening
    alerts_handled: tuple[BureauAlert, ...] = ()
    """Alerts that demand a proof of identity, and got one."""


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
    """What it adds to the score."""
    value: str
    """The number or code observed, never who it was observed about."""


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
    """With at least one pay deposit."""
    deposits: Count
    cadence: str
    """`weekly`, `biweekly`, `semimonthly`, `monthly` or `irregular`."""
    cv: Rate
    """Standard deviation of the deposits over their mean."""


class IncomeFinding(Finding):
    """Gross amounts per month, all applicants together, unless said otherwise."""

    stated_monthly: NonNegativeMoney
    paystub_monthly: NonNegativeMoney | None = None
    bank_monthly: NonNegativeMoney | None = None
    """Net, as it arrived."""
    other_monthly: NonNegativeMoney | None = None
    """From W-2, tax return or a letter of benefits."""
    verified_monthly: NonNegativeMoney | None = None
    """What the desk reckons with; None when nothing could be verified."""
    net_monthly: NonNegativeMoney | None = None
    """What is paid out; None when unknown."""
    method: str
    """`paystub`, `paystub_and_bank`, `bank`, `annual_proof`, `benefits_letter`, `mixed`, `none`."""
    deviation: Rate | None = None
    """(stated - verified) / stated; negative when more was verified than stated."""
    stability: IncomeStability | None = None
    confidence: Share
    verdict: IncomeVerdict
    garnishment: bool = False
    nsf_count: Count = 0
    overdraft_days: Count = 0
    stipulations: tuple[Stipulation, ...] = ()


class BureauAttributes(Contract):
    """What is derived from a report, under fixed names, as of one day."""

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
    bankruptcy_open: bool = False
    months_since_bankruptcy_discharge: Months | None = None
    authorized_user_share: Share | None = None
    monthly_obligations: Money
    """Payments on own open accounts, mortgages left out."""
    mortgage_payment_monthly: Money = Decimal("0.00")
    thin_file: bool


class BureauFinding(Finding):
    bureau_status: BureauStatus
    bureau: str = ""
    report_date: date | None = None
    attributes: BureauAttributes | None = None
    alerts: tuple[BureauAlert, ...] = ()
    score: BureauScore | None = None
    """None also when the bureau sent a special code instead of a score."""
    monthly_obligations: Money | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether the applicant has to open the file before anybody can read it."""
        return self.bureau_status in {BureauStatus.FROZEN, BureauStatus.LOCKED}


class KeyFactor(Contract):
    """What cost the most points."""

    attribute: str
    code: ReasonCode
    points_lost: Points


class MemberFinding(Finding):
    """What one model says."""

    model: str
    model_version: str
    pd: Share
    """Probability of default within the model's horizon."""
    score: Points
    top_factors: tuple[KeyFactor, ...] = ()


class AffordabilityFinding(Finding):
    """Can they carry it? Amounts per month."""

    amount: Money
    """Of the loan that is judged."""
    term_months: Months
    annual_rate: Rate
    payment: Money
    """Of the loan that is judged."""
    verified_income: Money
    net_income: Money
    obligations: Money
    housing: Money
    dti_before: Rate
    dti_after: Rate
    dti_stressed: Rate
    pti: Rate
    residual_income: Money
    residual_income_stressed: Money
    residual_floor: Money
    max_principal: Money
    """The largest amount that keeps debt to income within the cap."""


class RiskFinding(Finding):
    members: tuple[MemberFinding, ...] = ()
    pd_ensemble: Share | None = None
    grade: Grade | None = None
    disagreement: Rate | None = None
    """The largest gap between two members' log-odds."""
    ability: AffordabilityFinding | None = None
    expected_loss: Money | None = None
    key_factors: tuple[KeyFactor, ...] = ()


class PricingFinding(Finding):
    offers: tuple[Offer, ...] = ()
    """For the amount and term asked for."""
    counter_offers: Annotated[tuple[Offer, ...], Field(max_length=3)] = ()


class Unanswered(Contract):
    """An agent that was asked and has not answered."""

    agent: str
    code: str


class Verification(Contract):
    """Who are they, is it honest, what do they earn; or that nobody could say."""

    kyc: KycFinding | None = None
    fraud: FraudFinding | None = None
    income: IncomeFinding | None = None
    unanswered: tuple[Unanswered, ...] = ()

    @property
    def is_sanctioned(self) -> bool:
        """Whether the applicant is certainly somebody on a sanctions list: the case ends there."""
        return self.kyc is not None and self.kyc.watchlist.status is WatchlistStatus.TRUE_MATCH
