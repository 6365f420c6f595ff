"""Letters to applicants: what they are, and what a lender puts into all of them."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Slug


class NoticeKind(StrEnum):
    APPROVAL = "approval"
    COUNTER_OFFER = "counter_offer"
    """The combined form: an offer, and the reasons against what was asked for."""
    ADVERSE_ACTION = "adverse_action"
    INCOMPLETENESS = "incompleteness"


class Notice(Contract):
    """One letter as plain text, without the name of its reader."""

    kind: NoticeKind
    due_by: date
    text: str


class Party(Contract):
    """Somebody a letter refers its reader to."""

    name: str
    address: tuple[str, ...]
    phone: str | None = None


class NoticeTerms(Contract):
    """The versioned particulars of one lender."""

    id: Slug
    version: str
    creditor: Party
    agency: Party
    """Which supervises the lender under the Equal Credit Opportunity Act."""
    bureaus: Annotated[tuple[Party, ...], Field(min_length=1)]
    notice_due_days: Annotated[int, Field(strict=True, ge=1, le=30)]
    answer_due_days: Annotated[int, Field(strict=True, ge=1)]
