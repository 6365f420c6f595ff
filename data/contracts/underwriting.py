"""The state of a run: one field per stage, set when the stage ends."""

from __future__ import annotations

import operator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, ValidationError

from data.contracts.authority import AuthorityMatrix
from data.contracts.base import Contract, Day, Money, Rate, Slug
from data.contracts.decision import AdjustedTerms, DecisionContent, Grade, HumanRuling, Offer
from data.contracts.errors import AnswerRejectedError
from data.contracts.findings import (
    BureauFinding,
    Completeness,
    DocIntakeFinding,
    PricingFinding,
    RiskFinding,
    Verification,
)
from data.contracts.policy import PolicyResult, RulePack
from data.contracts.prices import PriceTable
from data.contracts.quantities import Months
from data.contracts.review import Person, ReviewRequest
from data.contracts.scorecard import Ensemble, Scorecard
from data.contracts.second_reading import SecondReading
from data.contracts.tree_card import TreeCard
from data.settings import AgentBackend, FanOutPolicy


class Rulebook(Contract):
    """All versioned data that a decision depends on. A run pins one rulebook and keeps it."""

    schema_version: Literal[2] = 2
    policy: RulePack
    prices: PriceTable
    scorecard: Scorecard
    challenger: Scorecard | TreeCard
    ensemble: Ensemble
    authority: AuthorityMatrix
    bundle: Annotated[str, Field(exclude_if=operator.not_)] = ""
    """The bundle that names these versions; empty for the files of the data folder. Rulebooks
    without one have the digest that they had."""
    agent_backend: Annotated[AgentBackend | None, Field(exclude_if=operator.not_)] = None
    """Who words the findings of the agents, as the bundle says; None for the desk's own setting."""

    def __hash__(self) -> int:
        """By its policy's name: caches look the rulebook up in every run."""
        return hash(self.policy)


class Intake(Contract):
    """The documents on file, and whether the application alone already decides the case."""

    finding: DocIntakeFinding
    stopped_by: tuple[str, ...] = ()
    """Hard rules that the application breaks. The desk then asks no agent and pulls no report."""
    second_reading: Annotated[SecondReading | None, Field(exclude_if=operator.not_)] = None
    """None when no chat model has read the documents too."""

    @property
    def needs_documents(self) -> bool:
        """Whether the applicant has to send documents before the desk can continue."""
        return not self.stopped_by and self.finding.completeness is not Completeness.COMPLETE


class Evidence(Contract):
    """The findings about a case; None where no agent was asked."""

    verification: Verification | None = None
    bureau: BureauFinding | None = None
    risk: RiskFinding | None = None
    cleared: bool = False
    """Compliance has found that the listed person is not the applicant."""
    second_reading: Annotated[SecondReading | None, Field(exclude_if=operator.not_)] = None
    """None when no chat model has read the documents too."""


class DocumentsOutcome(StrEnum):
    """How a request for documents at the `documents` gate ended."""

    SUPPLIED = "supplied"
    WITHDRAWN = "withdraw"
    EXPIRED = "expired"


class Verdict(StrEnum):
    """The result of the review."""

    CLEAR = "clear"
    """The applicant is not the listed person. The policy runs again without the watchlist hit."""
    APPROVE = "approve"
    ADJUST = "adjust"
    DECLINE = "decline"
    REQUEST_DOCUMENTS = "request_documents"
    EXPIRED = "expired"


class Review(Contract):
    """The rulings of the reviewers at all gates, and their result."""

    verdict: Verdict
    rulings: tuple[HumanRuling, ...]
    adjusted: AdjustedTerms | None = None
    policy: PolicyResult | None = None
    """The policy result after compliance has cleared the applicant."""


class Pricing(Contract):
    """The pricing finding and the final offer."""

    finding: PricingFinding
    offer: Offer | None = None
    """The offer for terms that a reviewer changed; None when no reviewer changed them."""


def _several(people: object) -> object:
    """Read the older forms: requests once stored one name or several names as plain text."""
    several = [people] if isinstance(people, str) else people
    if not isinstance(several, list | tuple):
        return several
    return tuple({"name": one} if isinstance(one, str) else one for one in several if one)


class ReviewFacts(Contract):
    """The facts that an answer at a gate is validated against. No personal data.

    Requests wait for days and across deployments, so a new field needs a default.
    """

    amount: Money
    term_months: int
    rate: Rate | None = None
    """The rate of the first reviewer's terms; None before the first ruling."""
    grade: Grade | None = None
    smallest_amount: Money
    largest_amount: Money
    shortest_term: int = 1
    longest_term: int
    lowest_rate: Rate
    highest_rate: Rate
    is_override: bool = False
    """Whether an approval goes against a soft rule that declines."""
    conditions: tuple[str, ...] = ()
    """The codes of what the applicant would have to prove, explain or send after an approval."""
    submitted_by: Annotated[tuple[Person, ...], BeforeValidator(_several)] = ()
    """The users who submitted this run and its parent runs. None of them may approve or clear."""
    first_reviewer: str = ""
    """The reviewer of the first approval. The second reviewer must be a different person."""
    first_principal: str = ""
    """The principal that the first reviewer's API key proved; empty for a typed name."""

    @property
    def first_person(self) -> Person:
        return Person(name=self.first_reviewer, principal=self.first_principal)

    @classmethod
    def of(cls, request: ReviewRequest) -> ReviewFacts:
        """The facts of a request.

        Raises AnswerRejectedError when this version cannot read them. The gate then asks again.
        """
        try:
            return cls.model_validate(request.facts)
        except ValidationError:
            raise AnswerRejectedError(
                "this version cannot read the facts of the request: wait until the gate asks again",
                field="",
            ) from None


class Underwriting(Contract):
    """The typed state of a run."""

    model_config = ConfigDict(populate_by_name=True)

    doc_intake: Intake | None = None
    documents: Annotated[
        DocumentsOutcome | None, Field(validation_alias=AliasChoices("documents", "papers"))
    ] = None
    """How the request for documents ended; None when the desk asked for none.

    Stored states of older versions have this field under the key `papers`.
    """
    verification: Verification | None = None
    bureau: BureauFinding | None = None
    risk_ensemble: RiskFinding | None = None
    policy: PolicyResult | None = None
    rulings: tuple[HumanRuling, ...] = ()
    """The rulings of the current review, in order."""
    second_needed: bool = False
    """Whether the last ruling needs a second reviewer."""
    review: Review | None = None
    pricing: Pricing | None = None
    decision: DecisionContent | None = None

    @property
    def evidence(self) -> Evidence:
        """The findings so far, as the reviewers at the gates see them."""
        asked = self.policy is not None and "compliance" in self.policy.gates
        return Evidence(
            verification=self.verification,
            bureau=self.bureau,
            risk=self.risk_ensemble,
            second_reading=self.doc_intake.second_reading if self.doc_intake else None,
            cleared=asked and any(ruling.decision == Verdict.CLEAR for ruling in self.rulings),
        )


class Overrides(Contract):
    """What a what-if run may change: an input, or a version that the parent run pinned."""

    amount_requested: Annotated[Money, Field(gt=0)] | None = None
    term_months: Annotated[Months, Field(ge=1)] | None = None
    as_of_date: Day | None = None
    fan_out_policy: FanOutPolicy | None = None
    policy: Slug | None = None
    """File name of a rule pack in `data/policy`, without the suffix."""
    prices: Slug | None = None
    """File name of a price table in `data/policy`, without the suffix."""
    scorecard: Slug | None = None
    """File name of a scorecard in `data/models`, without the suffix."""
    challenger: Slug | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The overrides that are set, as plain JSON values."""
        return self.model_dump(mode="json", exclude_none=True)
