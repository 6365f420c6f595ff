"""Credit policy as data: reasons, rules, and the result of a rule pack for one case."""

from __future__ import annotations

import operator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StrictBool

from data.contracts.application import StateCode
from data.contracts.base import Contract, Day, Flag, Money, Rate, Sha256, Slug


def _is_none(value: object) -> bool:
    return value is None


class ReasonCode(StrEnum):
    """Why the desk declines or questions a request for credit.

    R01 to R23 follow the sample form C-1 of Regulation B, R99 is its 'other, specify'.
    Codes that begin with X are internal and are never printed.
    """

    APPLICATION_INCOMPLETE = "R01"
    INSUFFICIENT_CREDIT_REFERENCES = "R02"
    UNACCEPTABLE_CREDIT_REFERENCES = "R03"
    CREDIT_REFERENCES_UNVERIFIABLE = "R04"
    IRREGULAR_EMPLOYMENT = "R05"
    EMPLOYMENT_UNVERIFIABLE = "R06"
    LENGTH_OF_EMPLOYMENT = "R07"
    INCOME_INSUFFICIENT = "R08"
    EXCESSIVE_OBLIGATIONS = "R09"
    INCOME_UNVERIFIABLE = "R10"
    LENGTH_OF_RESIDENCE = "R11"
    TEMPORARY_RESIDENCE = "R12"
    RESIDENCE_UNVERIFIABLE = "R13"
    NO_CREDIT_FILE = "R14"
    LIMITED_CREDIT_EXPERIENCE = "R15"
    POOR_PERFORMANCE_WITH_US = "R16"
    DELINQUENT_OBLIGATIONS = "R17"
    COLLECTION_OR_JUDGMENT = "R18"
    GARNISHMENT = "R19"
    FORECLOSURE_REPOSSESSION = "R20"
    BANKRUPTCY = "R21"
    RECENT_INQUIRIES = "R22"
    COLLATERAL_INSUFFICIENT = "R23"
    OTHER = "R99"
    IDENTITY_UNVERIFIABLE = "R99_IDENTITY_UNVERIFIABLE"
    ID_DOCUMENT_EXPIRED = "R99_ID_DOCUMENT_EXPIRED"
    REVOLVING_UTILIZATION_HIGH = "R99_REVOLVING_UTILIZATION_HIGH"
    AMOUNT_EXCEEDS_PRODUCT_LIMIT = "R99_AMOUNT_EXCEEDS_PRODUCT_LIMIT"
    TERMS_NOT_OFFERED = "R99_TERMS_NOT_OFFERED"
    OUTSIDE_LENDING_AREA = "R99_OUTSIDE_LENDING_AREA"
    BELOW_LEGAL_AGE = "R99_BELOW_LEGAL_AGE"
    RESIDUAL_INCOME_LOW = "R99_RESIDUAL_INCOME_LOW"
    PAYMENT_BEHAVIOUR_BANK = "R99_PAYMENT_BEHAVIOUR_BANK"
    TAX_LIEN = "R99_TAX_LIEN"
    COVERED_BORROWER_UNKNOWN = "R99_COVERED_BORROWER_UNKNOWN"
    SANCTIONS_MATCH = "X_SANCTIONS_MATCH"
    FRAUD_SUSPECTED = "X_FRAUD_SUSPECTED"
    SYNTHETIC_IDENTITY = "X_SYNTHETIC_IDENTITY"
    VELOCITY = "X_VELOCITY"

    @property
    def printable(self) -> bool:
        """Whether a notice may print this code."""
        return not self.value.startswith("X")

    @property
    def on_notice(self) -> ReasonCode | None:
        """The code that a notice shows instead of this one; None when it may show none."""
        if self.printable:
            return self
        return None if self is ReasonCode.SANCTIONS_MATCH else ReasonCode.IDENTITY_UNVERIFIABLE

    @property
    def notice_text(self) -> str:
        """The sentence for the applicant. Raises ValueError for an internal code."""
        if not self.printable:
            raise ValueError("an internal reason has no text for a notice: use `on_notice` first")
        return _REASONS[self].text

    @property
    def lar_code(self) -> int | None:
        """The denial reason of a LAR-like export, 1 to 9; None for an internal code."""
        return _REASONS[self].lar if self.printable else None


class _Reason(NamedTuple):
    lar: int
    text: str


_REASONS = {
    ReasonCode.APPLICATION_INCOMPLETE: _Reason(7, "Credit application incomplete"),
    ReasonCode.INSUFFICIENT_CREDIT_REFERENCES: _Reason(
        3, "Insufficient number of credit references provided"
    ),
    ReasonCode.UNACCEPTABLE_CREDIT_REFERENCES: _Reason(
        3, "Unacceptable type of credit references provided"
    ),
    ReasonCode.CREDIT_REFERENCES_UNVERIFIABLE: _Reason(6, "Unable to verify credit references"),
    ReasonCode.IRREGULAR_EMPLOYMENT: _Reason(2, "Temporary or irregular employment"),
    ReasonCode.EMPLOYMENT_UNVERIFIABLE: _Reason(6, "Unable to verify employment"),
    ReasonCode.LENGTH_OF_EMPLOYMENT: _Reason(2, "Length of employment"),
    ReasonCode.INCOME_INSUFFICIENT: _Reason(
        1, "Income insufficient for amount of credit requested"
    ),
    ReasonCode.EXCESSIVE_OBLIGATIONS: _Reason(1, "Excessive obligations in relation to income"),
    ReasonCode.INCOME_UNVERIFIABLE: _Reason(6, "Unable to verify income"),
    ReasonCode.LENGTH_OF_RESIDENCE: _Reason(9, "Length of residence"),
    ReasonCode.TEMPORARY_RESIDENCE: _Reason(9, "Temporary residence"),
    ReasonCode.RESIDENCE_UNVERIFIABLE: _Reason(6, "Unable to verify residence"),
    ReasonCode.NO_CREDIT_FILE: _Reason(3, "No credit file"),
    ReasonCode.LIMITED_CREDIT_EXPERIENCE: _Reason(3, "Limited credit experience"),
    ReasonCode.POOR_PERFORMANCE_WITH_US: _Reason(3, "Poor credit performance with us"),
    ReasonCode.DELINQUENT_OBLIGATIONS: _Reason(
        3, "Delinquent past or present credit obligations with others"
    ),
    ReasonCode.COLLECTION_OR_JUDGMENT: _Reason(3, "Collection action or judgment"),
    ReasonCode.GARNISHMENT: _Reason(3, "Garnishment or attachment"),
    ReasonCode.FORECLOSURE_REPOSSESSION: _Reason(3, "Foreclosure or repossession"),
    ReasonCode.BANKRUPTCY: _Reason(3, "Bankruptcy"),
    ReasonCode.RECENT_INQUIRIES: _Reason(3, "Number of recent inquiries on credit bureau report"),
    ReasonCode.COLLATERAL_INSUFFICIENT: _Reason(4, "Value or type of collateral not sufficient"),
    ReasonCode.OTHER: _Reason(9, "Other"),
    ReasonCode.IDENTITY_UNVERIFIABLE: _Reason(6, "Unable to verify identity"),
    ReasonCode.ID_DOCUMENT_EXPIRED: _Reason(6, "Identification document has expired"),
    ReasonCode.REVOLVING_UTILIZATION_HIGH: _Reason(
        3, "Balances on revolving accounts are high compared with their limits"
    ),
    ReasonCode.AMOUNT_EXCEEDS_PRODUCT_LIMIT: _Reason(
        9, "Amount requested is outside the limits of this product"
    ),
    ReasonCode.TERMS_NOT_OFFERED: _Reason(
        9, "We do not grant credit on the terms and conditions requested"
    ),
    ReasonCode.OUTSIDE_LENDING_AREA: _Reason(9, "Residence is outside our lending area"),
    ReasonCode.BELOW_LEGAL_AGE: _Reason(9, "Applicant has not reached the legal age to contract"),
    ReasonCode.RESIDUAL_INCOME_LOW: _Reason(
        1, "Income remaining after obligations is insufficient"
    ),
    ReasonCode.PAYMENT_BEHAVIOUR_BANK: _Reason(
        9, "Returned payments or overdrafts on deposit account"
    ),
    ReasonCode.TAX_LIEN: _Reason(3, "Tax lien on public record"),
    ReasonCode.COVERED_BORROWER_UNKNOWN: _Reason(
        7, "Status as a covered borrower under the Military Lending Act is not known"
    ),
}


class RuleOutcome(StrEnum):
    DECLINE = "decline"
    INCOMPLETE = "incomplete"
    REFER = "refer"
    STIPULATE = "stipulate"
    CAP = "cap"


class Severity(StrEnum):
    """A hard rule has no exception. A reviewer may override a soft rule with a reason."""

    HARD = "hard"
    SOFT = "soft"


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    MISSING = "missing"
    """True when the fact is not known; the only operator that an absent fact satisfies."""


class Comparison(Contract):
    """One fact against one value."""

    fact: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
    op: Operator
    # The number comes first: pinned rules store it as text, and it must become a number again.
    value: Annotated[
        StrictBool | Rate | str | tuple[str, ...] | None, Field(union_mode="left_to_right")
    ] = None


class AllOf(Contract):
    all: Annotated[tuple[Expression, ...], Field(min_length=1)]


class AnyOf(Contract):
    any: Annotated[tuple[Expression, ...], Field(min_length=1)]


Expression = Comparison | AllOf | AnyOf


class Stipulation(Contract):
    """Something that the applicant must still prove or confirm."""

    code: Annotated[str, Field(pattern=r"^[a-z_]{1,48}$")]
    text: str


class Rule(Contract):
    """One sentence of the policy."""

    id: Slug
    version: Annotated[int, Field(strict=True, ge=1)] = 1
    label: str
    when: Expression
    outcome: RuleOutcome
    severity: Severity = Severity.SOFT
    reason: ReasonCode
    cap_fact: str | None = None
    """For a cap: the fact that holds the largest allowed amount."""
    explained_by_factors: Flag = False
    """Whether the scorecards' factors are the reasons. `reason` is used when there are none."""
    stipulation: Stipulation | None = None
    """What the desk asks of the applicant."""
    gate: Literal["compliance", "underwriter"] | None = None
    """The gate where a reviewer answers a referral (by default the underwriter's gate), or checks
    a soft decline before the notice goes out."""
    source: str | None = Field(default=None, exclude_if=_is_none)
    """The law or document that the rule follows. Packs of older runs are hashed without it."""
    owner: str
    effective_from: Day
    effective_to: Day | None = None


class AffordabilityTerms(Contract):
    """How the lender judges ability to repay. Amounts in US dollars per month."""

    dti_cap: Annotated[Rate, Field(gt=0, le=1)]
    """The debt-to-income ratio that limits the largest principal."""
    rate_stress: Annotated[Rate, Field(ge=0)]
    """Added to the yearly rate for the stressed payment."""
    net_of_gross: Annotated[Rate, Field(gt=0, le=1)]
    """Net income as a share of gross income, used where no document shows the net income."""
    living_floor: Annotated[Money, Field(ge=0)]
    """Of a household with one adult."""
    living_floor_per_further_adult: Annotated[Money, Field(ge=0)] = Field(
        default=Decimal("0.00"), exclude_if=operator.not_
    )
    living_floor_per_dependent: Annotated[Money, Field(ge=0)]
    deferred_student_share: Annotated[Rate, Field(ge=0, le=1)] | None = Field(
        default=None, exclude_if=_is_none
    )
    """The monthly payment of a student loan that has none yet, as a share of its balance; None
    for the 1 % of the desk. Packs that older runs have pinned are hashed without it."""
    income_multiple: Annotated[Rate, Field(gt=0)]
    """The largest amount as a share of yearly verified income."""
    smallest_amount: Annotated[Money, Field(gt=0)]
    """The smallest loan of the product. The desk never offers less."""
    largest_amount: Annotated[Money, Field(gt=0)]
    """The largest loan of the product, for every approver."""


class CapacityAge(Contract):
    """The age at which a person may bind themselves by a contract, in completed years."""

    age: Annotated[int, Field(strict=True, ge=14, le=21)]
    source: Annotated[str, Field(min_length=1)]
    """The statute."""


class LegalCapacity(Contract):
    """The ages of legal capacity of the states."""

    default: CapacityAge
    states: dict[StateCode, CapacityAge]
    """The states with a rule of their own."""

    def age_in(self, state: str) -> int:
        return self.states.get(state, self.default).age


class RulePack(Contract):
    """All rules for one product, in one version."""

    schema_version: Literal[1] = 1
    id: Slug
    version: str
    product: str
    affordability: AffordabilityTerms
    capacity: LegalCapacity | None = Field(default=None, exclude_if=_is_none)
    """None only in packs that older runs have pinned. They are hashed without it."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    def __hash__(self) -> int:
        """By name alone: caches look the pack up in every run, and its rules take long to hash."""
        return hash((self.id, self.version))


class RuleStatus(StrEnum):
    HIT = "hit"
    NOT_HIT = "not_hit"
    NOT_EVALUABLE = "not_evaluable"


class RuleResult(Contract):
    """The result of one rule, with the facts that it used."""

    rule_id: Slug
    rule_version: int
    status: RuleStatus
    outcome: RuleOutcome
    severity: Severity
    reason: ReasonCode
    inputs: dict[str, str | None]
    """The facts by name, written as text; None where a fact was missing."""


class Recommendation(StrEnum):
    """The result of the policy, before any reviewer has decided."""

    APPROVE = "approve"
    REFER = "refer"
    DECLINE = "decline"
    COUNTER_OFFER = "counter_offer"
    INCOMPLETE = "incomplete"


class Cap(Contract):
    rule_id: Slug
    amount: Money


class PolicyResult(Contract):
    """The whole pack, evaluated on one case."""

    recommendation: Recommendation
    results: tuple[RuleResult, ...]
    """Every rule of the pack, including rules that did not hit."""
    reasons: tuple[ReasonCode, ...] = ()
    """The weightiest first, including internal reasons."""
    refer_reasons: tuple[str, ...] = ()
    """Ids of the refer rules that hit."""
    gates: tuple[Slug, ...] = ()
    """The gates where reviewers must answer, in the order of the rules."""
    caps: tuple[Cap, ...] = ()
    stipulations: tuple[Stipulation, ...] = ()
    pack_id: Slug
    pack_version: str
    pack_sha256: Sha256
