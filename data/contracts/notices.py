"""Letters to applicants, and the lender's details that appear in every letter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Day, Slug


class NoticeKind(StrEnum):
    APPROVAL = "approval"
    COUNTER_OFFER = "counter_offer"
    """The combined form: an offer, and the reasons against the request."""
    ADVERSE_ACTION = "adverse_action"
    INCOMPLETENESS = "incompleteness"


class Notice(Contract):
    """One letter as plain text, without the name of the applicant."""

    kind: NoticeKind
    due_by: Day
    text: str


class Party(Contract):
    """A company or agency that a letter names."""

    name: str
    address: tuple[str, ...]
    phone: str | None = None


class NoticeTerms(Contract):
    """The versioned details of one lender."""

    id: Slug
    version: str
    creditor: Party
    agency: Party
    """The agency that supervises the lender under the Equal Credit Opportunity Act."""
    bureaus: Annotated[tuple[Party, ...], Field(min_length=1)]
    notice_due_days: Annotated[int, Field(strict=True, ge=1, le=30)]
    answer_due_days: Annotated[int, Field(strict=True, ge=1)]
