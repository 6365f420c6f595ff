"""A what-if over many stored decisions: what other versions would have decided, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from data.contracts.base import Contract, Money, Rate
from data.contracts.quantities import Count, Share


class Verdict(StrEnum):
    """What the desk decides on its own. A case that people rule on is a referral on both sides:
    it is not known how they would rule under other versions."""

    APPROVE = "approve"
    COUNTER_OFFER = "counter_offer"
    REFER = "refer"
    DECLINE = "decline"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    """The desk could not underwrite it."""


class Judged(Contract):
    """One application as one rulebook judges it."""

    verdict: Verdict
    amount: Money | None = None
    """Of the offer of an approval."""
    rate: Rate | None = None
    expected_loss: Money | None = None
    pd: Share | None = None
    grade: str = ""
    reasons: tuple[str, ...] = ()
    """Principal reasons of a decision, or the code of the error. None of a referral."""


class Judgement(Contract):
    """One stored application: as it is decided, and as other versions would decide it."""

    application_id: str
    segment: str
    before: Judged
    after: Judged


class Side(Contract):
    """All cases of a segment under one of the two rulebooks."""

    verdicts: dict[Verdict, Count]
    approval_rate: Rate
    """Approvals over cases."""
    approved: Money
    """The offers of the approvals, together."""
    expected_loss: Money
    """Of those offers: probability of default, times loss given default, times amount."""
    mean_rate: Rate | None
    """The mean nominal yearly rate of the approvals; None without one."""
    reasons: dict[str, Count]
    """The most frequent first."""


class Segment(Contract):
    """The cases that have one property in common."""

    name: str
    cases: Count
    before: Side
    after: Side


class Move(Contract):
    """How many cases go from one verdict to another one."""

    before: Verdict
    after: Verdict
    cases: Count
    examples: tuple[str, ...] = ()
    """The first application ids."""


class WhatIfReport(Contract):
    """What other versions would have decided. Nothing of it is stored in the ledger."""

    source: str
    """The runs or the batch that the cases come from."""
    versions: dict[str, str]
    """The versions that were set."""
    segmented_by: str
    cases: Count
    left_out: dict[str, Count] = Field(default_factory=dict)
    """Stored rows that were not decided again, by the reason."""
    swap_set: dict[Verdict, dict[Verdict, Count]]
    """Cases by the verdict before and the verdict after. The counts add up to `cases`."""
    moves: tuple[Move, ...]
    """The cells of the swap set in which the verdict changes, the largest first."""
    repriced: Count
    """Cases approved on both sides, at another rate."""
    total: Segment
    segments: tuple[Segment, ...]
    seconds: float


def count_of(swap_set: Mapping[Verdict, Mapping[Verdict, int]]) -> int:
    """The cases of a swap set."""
    return sum(sum(row.values()) for row in swap_set.values())


def share_of(part: int, whole: int) -> Decimal:
    """A share to six places; 0 of nothing."""
    return (Decimal(part) / whole).quantize(Decimal("0.000001")) if whole else Decimal(0)
