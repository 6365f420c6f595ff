"""What a run knows of its case: one field per stage, filled in as the stages end."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from data.contracts.authority import AuthorityMatrix
from data.contracts.base import Contract, Money, Rate, Slug
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
from data.contracts.review import ReviewRequest
from data.contracts.scorecard import Ensemble, Scorecard
from data.settings import FanOutPolicy


class Rulebook(Contract):
    """Everything versioned that a decision rests on. A run pins one and keeps it."""

    schema_version: Literal[2] = 2
    policy: RulePack
    prices: PriceTable
    scorecard: Scorecard
    challenger: Scorecard
    ensemble: Ensemble
    authority: AuthorityMatrix


class Intake(Contract):
    """The papers on the desk, and whether the application alone settles the case."""

    finding: DocIntakeFinding
    stopped_by: tuple[str, ...] = ()
    """Hard rules that the application by itself breaks; nothing is asked or pulled then."""

    @property
    def needs_documents(self) -> bool:
        """Whether the applicant has to send something before anything else is worth doing."""
        return not self.stopped_by and self.finding.completeness is not Completeness.COMPLETE


class Evidence(Contract):
    """What was found out about a case; None where nobody was asked."""

    verification: Verification | None = None
    bureau: BureauFinding | None = None
    risk: RiskFinding | None = None
    cleared: bool = False
    """Compliance has found that the person on the list is another."""


class Papers(StrEnum):
    """What came of asking an applicant for papers."""

    SUPPLIED = "supplied"
    WITHDRAWN = "withdraw"
    EXPIRED = "expired"


class Verdict(StrEnum):
    """What the people at the gates made of a case."""

    CLEAR = "clear"
    """Another person than the one on the list: the policy goes on as if nobody were on it."""
    APPROVE = "approve"
    ADJUST = "adjust"
    DECLINE = "decline"
    REQUEST_DOCUMENTS = "request_documents"
    EXPIRED = "expired"


class Review(Contract):
    """What people decided, gate by gate."""

    verdict: Verdict
    rulings: tuple[HumanRuling, ...]
    adjusted: AdjustedTerms | None = None
    policy: PolicyResult | None = None
    """What the policy says once compliance has cleared the applicant."""


class Pricing(Contract):
    """What is on offer."""

    finding: PricingFinding
    offer: Offer | None = None
    """The offer for the terms that a person chose; None when nobody changed them."""


def _several(names: object) -> object:
    """Requests that have waited for long name one submitter, or nobody, as a plain text."""
    return ((names,) if names else ()) if isinstance(names, str) else names


class ReviewFacts(Contract):
    """What an answer at a gate is measured against. Nothing personal.

    Requests wait for days, across deployments: what is added here needs a default.
    """

    amount: Money
    term_months: int
    rate: Rate | None = None
    """What a first reviewer would grant, priced; None while nobody has ruled."""
    grade: Grade | None = None
    smallest_amount: Money
    largest_amount: Money
    shortest_term: int = 1
    longest_term: int
    lowest_rate: Rate
    highest_rate: Rate
    is_override: bool = False
    """Whether an approval goes against a soft rule that declines."""
    submitted_by: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Who asked for this run, and for those that it goes on from: none of them may approve, or
    clear."""
    first_reviewer: str = ""
    """Who approved before; the second person must be another."""

    @classmethod
    def of(cls, request: ReviewRequest) -> ReviewFacts:
        """The facts that a request carries. Raises AnswerRejectedError when they have a form that
        is not known any more: no answer can be measured against them, and the gate asks anew.
        """
        try:
            return cls.model_validate(request.facts)
        except ValidationError:
            raise AnswerRejectedError(
                "what this request rests on cannot be read any more: it has to be asked anew",
                field="",
            ) from None


class Underwriting(Contract):
    """The typed state of a run."""

    doc_intake: Intake | None = None
    papers: Papers | None = None
    """What came of asking the applicant for papers, if it was necessary."""
    verification: Verification | None = None
    bureau: BureauFinding | None = None
    risk_ensemble: RiskFinding | None = None
    policy: PolicyResult | None = None
    rulings: tuple[HumanRuling, ...] = ()
    """Of the review under way, in their order."""
    second_needed: bool = False
    """Whether the last ruling needs another person's."""
    review: Review | None = None
    pricing: Pricing | None = None
    decision: DecisionContent | None = None

    @property
    def evidence(self) -> Evidence:
        """What has been found out, as the people at the gates have it before them."""
        asked = self.policy is not None and "compliance" in self.policy.gates
        return Evidence(
            verification=self.verification,
            bureau=self.bureau,
            risk=self.risk_ensemble,
            cleared=asked and any(one.decision == Verdict.CLEAR for one in self.rulings),
        )


class Overrides(Contract):
    """What a what-if may change: an input, or a version that the parent has pinned."""

    amount_requested: Annotated[Money, Field(gt=0)] | None = None
    term_months: Annotated[Months, Field(ge=1)] | None = None
    as_of_date: date | None = None
    fan_out_policy: FanOutPolicy | None = None
    policy: Slug | None = None
    """File name of a rule pack in `data/policy`, without its ending."""
    prices: Slug | None = None
    """File name of a price table in `data/policy`, without its ending."""
    scorecard: Slug | None = None
    """File name of a card in `data/models`, without its ending."""
    challenger: Slug | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What was set, as plain JSON values."""
        return self.model_dump(mode="json", exclude_none=True)
