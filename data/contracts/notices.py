"""Letters to applicants, and the lender's details that appear in every letter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.application import ApplicantRole
from data.contracts.base import Contract, Day, Moment, Sha256, Slug

NOTICE_DAYS = 30
"""From the application to the last day for a letter about it (12 CFR 1002.9(a)(1))."""


class NoticeKind(StrEnum):
    APPROVAL = "approval"
    COUNTER_OFFER = "counter_offer"
    """The combined form: an offer, and the reasons against the request."""
    ADVERSE_ACTION = "adverse_action"
    INCOMPLETENESS = "incompleteness"


class Notice(Contract):
    """One letter to one applicant, without the name of its reader."""

    kind: NoticeKind
    applicant: ApplicantRole
    due_by: Day
    """The last day on which the law allows to send it."""
    dated: Day
    text: str
    html: str
    """The same words as a page that prints on A4 and Letter, without outside resources."""
    terms_version: str
    """The version of the lender's details that it was written with."""


class SentNotice(Notice):
    """A letter as it was sent. It stays as it is when the lender's details change."""

    sent_at: Moment | None = None
    """None for a decision that is older than the store of letters: it is written when it is read.
    """
    sha256: Sha256 | None = None
    """The digest that the record of the decision has of it."""


class NoticeEntry(Contract):
    """What the record of a decision says about one letter."""

    applicant: ApplicantRole
    kind: NoticeKind
    due_by: Day
    sent_at: Moment
    sha256: Sha256
    """Of the canonical JSON of the letter, as `GET /runs/{run_id}/notice` gives it, without
    `sent_at` and `sha256`."""


class Party(Contract):
    """A company or agency that a letter names."""

    name: str
    address: tuple[str, ...] = ()
    phone: str | None = None


class NoticeTerms(Contract):
    """The versioned details of one lender."""

    id: Slug
    version: str
    creditor: Party
    agency: Party
    """The agency that supervises the lender under the Equal Credit Opportunity Act."""
    bureaus: Annotated[tuple[Party, ...], Field(min_length=1)]
    """How to reach each consumer reporting agency that the lender asks, by the name it gives."""
    answer_due_days: Annotated[int, Field(strict=True, ge=1)]
