"""Letters to applicants, and the lender's details that appear in every letter."""

from __future__ import annotations

import operator
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.application import ApplicantRole
from data.contracts.base import Contract, Day, Moment, Sha256, Slug
from data.contracts.wording import Degradation

NOTICE_DAYS = 30
"""From the application to the last day for a letter about it (12 CFR 1002.9(a)(1))."""


class NoticeKind(StrEnum):
    APPROVAL = "approval"
    COUNTER_OFFER = "counter_offer"
    """The combined form: an offer, and the reasons against the request."""
    ADVERSE_ACTION = "adverse_action"
    INCOMPLETENESS = "incompleteness"


class LetterPoint(Contract):
    """One thing that a letter says, in the rules' words."""

    code: str
    """`request`, the code of a reason, or that of a condition."""
    words: str


class PointText(Contract):
    """One point in other words."""

    code: str = Field(description="The code of the point, copied.")
    text: str = Field(description="One plain sentence to the reader that says what the point says.")


class LetterText(Contract):
    """The form in which a chat model words a letter."""

    points: tuple[PointText, ...] = Field(description="Every point, in the order of the letter.")


class LetterWording(Contract):
    """What a chat model has written below a letter: its points in other words."""

    sentences: tuple[str, ...] = ()
    """One for each point; none when the letter has the rules' words alone."""
    model: str
    prompt: str
    degraded: Annotated[Degradation | None, Field(exclude_if=operator.not_)] = None
    """Why the letter has the rules' words alone."""


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
    wording: Annotated[LetterWording | None, Field(exclude_if=operator.not_)] = None
    """None for a letter that no chat model was asked about. It has the digest that it had."""


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
