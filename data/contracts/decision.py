"""The decision: its content, which is reproducible, and its envelope, which is not."""

from __future__ import annotations

import operator
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from data.contracts.application import ApplicantRole, Product
from data.contracts.base import Contract, Day, Moment, Money, Rate, Sha256, Slug, sha256_of
from data.contracts.bureau import ScoreFactor
from data.contracts.personal import Line
from data.contracts.policy import ReasonCode, Recommendation, RuleResult
from data.contracts.quantities import Count, Months, Share


class Grade(StrEnum):
    """The risk grade; A is the best."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"


class Outcome(StrEnum):
    """How the desk decided on an application."""

    APPROVE = "approve"
    DECLINE = "decline"
    COUNTER_OFFER = "counter_offer"
    INCOMPLETE = "incomplete"
    WITHDRAWN = "withdrawn"


class Offer(Contract):
    """Terms that bind the lender until they expire. All amounts in US dollars."""

    amount: Annotated[Money, Field(gt=0)]
    term_months: Annotated[Months, Field(ge=1)]
    rate: Rate
    """Nominal, per year."""
    apr: Rate
    """Regulation Z, Appendix J; the fee counts as a finance charge."""
    payment: Money
    final_payment: Money
    fee: Money
    """Withheld from the amount paid out."""
    finance_charge: Money
    total_of_payments: Money
    grade: Grade
    expires_on: Day
    first_payment_on: Annotated[Day | None, Field(exclude_if=operator.not_)] = None
    """The chosen due date of the first payment; None for a month after the loan is paid out."""


class ConditionPhase(StrEnum):
    PRIOR_TO_DECISION = "prior_to_decision"
    PRIOR_TO_FUNDING = "prior_to_funding"


class ConditionStatus(StrEnum):
    OPEN = "open"
    RECEIVED = "received"
    WAIVED = "waived"
    FAILED = "failed"


class Condition(Contract):
    """A stipulation attached to the decision."""

    code: Annotated[str, Field(pattern=r"^[a-z_]{1,48}$")]
    text: str
    phase: ConditionPhase = ConditionPhase.PRIOR_TO_FUNDING
    status: ConditionStatus = ConditionStatus.OPEN
    waived_by: str | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the applicant still has to meet it."""
        return self.status in {ConditionStatus.OPEN, ConditionStatus.FAILED}


class AdjustedTerms(Contract):
    """Terms that a reviewer changed; None keeps the requested term."""

    amount: Annotated[Money, Field(gt=0)] | None = None
    term_months: Annotated[Months, Field(ge=1)] | None = None
    rate: Annotated[Rate, Field(ge=0)] | None = None


class FraudOutcome(StrEnum):
    """What a reviewer found when they checked the signs of fraud."""

    CONFIRMED = "confirmed"
    FALSE_POSITIVE = "false_positive"


SYSTEM = "system"
"""The role and reviewer of what the desk declares when no reviewer has answered in time."""


class HumanRuling(Contract):
    """What a reviewer decided at a gate. Times are in the journal, not here."""

    gate: str
    decision: str
    role: str
    reviewer: str
    proven: bool = False
    """Whether the reviewer's identity was proven by a key."""
    reason_code: str
    """A code from the gate's own list; required for an override."""
    override: bool = False
    """Whether the ruling goes against a soft rule of the policy."""
    adjusted: AdjustedTerms | None = None
    document_ids: tuple[Slug, ...] = ()
    fraud_outcome: Annotated[FraudOutcome | None, Field(exclude_if=operator.not_)] = None
    """None where no signs were checked. Rulings without it have the digest that they had."""
    waived: Annotated[tuple[str, ...], Field(exclude_if=operator.not_)] = ()
    """The codes of the conditions that the applicant need not meet."""


class Versions(Contract):
    """The versions in force. None where the run did not use that part."""

    workflow: str | None = None
    policy: str | None = None
    scorecard: str | None = None
    challenger: str | None = None
    price_table: str | None = None
    authority: str | None = None
    watchlist: str | None = None
    bundle: Annotated[str | None, Field(exclude_if=operator.not_)] = None
    """The bundle that decided; None for the files of the data folder."""
    code: str


class ScoreDisclosure(Contract):
    """The bureau score that the desk used, as a notice discloses it (FCRA 615)."""

    value: Count
    model: Line
    range_min: Count
    range_max: Count
    scored_on: Day
    provider: Line
    factors: tuple[ScoreFactor, ...]


class Consumer(Contract):
    """One applicant as the letter to this person needs it: nothing here is about the other one."""

    applicant: ApplicantRole
    bureau: Line = ""
    """The agency whose report on this person the desk used; empty where it used none."""
    score: ScoreDisclosure | None = None
    """This person's own score in that report."""


class RequestedTerms(Contract):
    """The requested terms, so that a notice can name them."""

    product: Product
    amount: Money
    term_months: Months


class DecisionContent(Contract):
    """The reproducible part: equal inputs, versions, dates and rulings give equal bytes.

    It holds no application id, no run id and no clock time.
    """

    schema_version: Literal[1] = 1
    inputs_sha256: Sha256
    as_of_date: Day
    versions: Versions
    requested: RequestedTerms
    recommendation: Recommendation | None
    """None when the case ended before the policy ran."""
    outcome: Outcome
    pd: Share | None = None
    grade: Grade | None = None
    dti_after: Rate | None = None
    rule_results: tuple[RuleResult, ...] = ()
    principal_reasons: Annotated[tuple[ReasonCode, ...], Field(max_length=4)] = ()
    """The weightiest first; only codes that a notice may print."""
    offer: Offer | None = None
    alternatives: tuple[Offer, ...] = ()
    conditions: tuple[Condition, ...] = ()
    rulings: tuple[HumanRuling, ...] = ()
    score_disclosure: ScoreDisclosure | None = None
    """The score that the policy judged: of two applicants the lower one."""
    consumers: Annotated[tuple[Consumer, ...], Field(exclude_if=operator.not_)] = ()
    """One per applicant, each of whom gets a letter. Decisions that are older than this field have
    none, and keep their digest."""
    due_by: Annotated[Day | None, Field(exclude_if=operator.not_)] = None
    """The last day for the letters: 30 days after the application came in (12 CFR 1002.9(a)(1)).
    None in older decisions."""
    memo: str = ""

    @model_validator(mode="after")
    def _reasons_may_be_printed(self) -> Self:
        if any(not reason.printable for reason in self.principal_reasons):
            raise ValueError("principal_reasons holds an internal code")
        return self

    @property
    def content_sha256(self) -> str:
        """The digest of the canonical JSON."""
        return sha256_of(self)


class Decision(Contract):
    """The content with its envelope: run, application and time of the decision."""

    decision_id: Slug
    run_id: str
    application_id: Slug
    decided_at: Moment
    copy_of: Slug | None = None
    """The application whose case file this one copies under another id."""
    batch_id: str | None = None
    content: DecisionContent
    content_sha256: Sha256

    @classmethod
    def of(cls, content: DecisionContent, **envelope: Any) -> Decision:
        """Build a decision from its content and the envelope's fields."""
        return cls(content=content, content_sha256=content.content_sha256, **envelope)

    @model_validator(mode="after")
    def _digest_is_of_the_content(self) -> Self:
        if self.content_sha256 != self.content.content_sha256:
            raise ValueError("content_sha256 does not belong to the content")
        return self
