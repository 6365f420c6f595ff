"""The case view: everything that a person needs to decide on one screen, in words."""

from __future__ import annotations

from pydantic import Field

from data.contracts.application import ApplicantRole
from data.contracts.base import Contract, Moment, Money
from data.contracts.decision import Offer, Outcome
from data.contracts.documents import DocumentRef
from data.contracts.explanation import ExplainedRule
from data.contracts.policy import Recommendation
from data.contracts.review import Note
from data.contracts.runs import RunStatus


class FactorInWords(Contract):
    """Something that cost points of the score."""

    attribute: str
    reason: str
    points_lost: str


class EarlierCase(Contract):
    """Another run of the same application."""

    run_id: str
    status: RunStatus
    created_at: Moment
    outcome: Outcome | None = None
    is_what_if: bool = False


class OtherApplication(Contract):
    """Another application of a person of this case."""

    application_id: str
    filed_at: Moment
    amount_requested: Money
    outcome: Outcome | None = None
    """None while it is undecided."""
    status: RunStatus | None = None
    """Of its own run; None where it has none, or where a fork has decided it."""
    run_id: str = ""
    """The run that has decided it, or will; empty where a batch has."""
    batch_id: str = ""
    same_number: tuple[ApplicantRole, ...] = ()
    """The applicants of this case whose tax number is in that application."""
    same_name: tuple[ApplicantRole, ...] = ()
    """Those whose name and date of birth are. Without the number, it may be another person."""


class CaseView(Contract):
    """A run's case in words: what the policy says, why, at which price, on which documents."""

    run_id: str
    application_id: str
    recommendation: Recommendation | None = None
    """None before the stage `policy`."""
    rules: tuple[ExplainedRule, ...] = ()
    """All rules; those that were hit come first, the most severe before the others."""
    factors: tuple[FactorInWords, ...] = ()
    offer: Offer | None = None
    """The price of what the applicant asks for; None where the lender has no price for it."""
    no_offer: str = ""
    """Why there is no price."""
    documents: tuple[DocumentRef, ...] = ()
    earlier: tuple[EarlierCase, ...] = ()
    other_applications: tuple[OtherApplication, ...] | None = None
    """Of the same people, newest first; None for a role that may not read applicants' names."""
    notes: tuple[Note, ...] = ()
    """What people have written on this application's runs, newest first."""
    decline_reasons: dict[str, str] = Field(default_factory=dict)
    """The codes that a declining ruling may name, with the words of the letter."""
    override_reasons: dict[str, str] = Field(default_factory=dict)
    """The codes that a ruling against the policy may name."""
