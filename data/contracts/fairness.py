"""The fair-lending report: outcomes by group, and what a lower or higher cut-off would change.

It holds counts and figures of groups. No application id and no attribute of one person is in it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract

Number = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class CounterOfferAs(StrEnum):
    """What a counter-offer counts as: the applicant did not get the requested terms."""

    DENIED = "denied"
    APPROVED = "approved"
    LEFT_OUT = "left_out"


class Standing(StrEnum):
    """What an outcome counts as in the rates of this report."""

    APPROVED = "approved"
    DENIED = "denied"
    COUNTER_OFFER = "counter_offer"
    """Counts as `CounterOfferAs` says."""
    INCOMPLETE = "incomplete"
    WITHDRAWN = "withdrawn"
    OPEN = "open"
    """Referred, failed, or without an outcome yet."""


class Judgement(StrEnum):
    """What the report says about a group."""

    REFERENCE = "reference"
    NOT_JUDGED = "not_judged"
    """Too few cases in the group, or no group to compare it with."""
    CLEAR = "clear"
    WATCH = "watch"
    """A measure is beyond its threshold, and chance may explain it."""
    FLAGGED = "flagged"
    """A measure is beyond its threshold, and chance alone rarely does that."""


class FairnessTerms(Contract):
    """How cases are compared. Each is the lender's choice; the defaults are customary."""

    min_n: Annotated[int, Field(ge=1)] = 30
    """Groups with fewer judged cases are shown and not judged."""
    air_below: Fraction = 0.8
    """The four-fifths rule of 29 CFR 1607.4(D), which is about employment."""
    smd_from: Annotated[float, Field(gt=0)] = 0.3
    price_gap_from: Annotated[float, Field(ge=0)] = 0.001
    """Either way. As a fraction: 0.001 is 10 basis points."""
    risk_tolerance: Annotated[float, Field(ge=0)] = 0.005
    """How much higher the expected default rate of a less discriminatory cut-off may be."""
    significance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    counter_offers: CounterOfferAs = CounterOfferAs.DENIED
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1_000
    seed: int = 1
    references: dict[str, str] = Field(default_factory=dict)
    """The group that others are compared with, by attribute; otherwise the one with the highest
    approval rate over all cases."""


class Interval(Contract):
    """A 95 % interval."""

    low: float
    high: float


class GroupFigures(Contract):
    """One group of an attribute against the reference group. None where nothing was compared."""

    group: str
    """Empty for cases without a value."""
    n: Number
    """Cases that count: approved and denied."""
    approved: Number
    denied: Number
    left_out: dict[str, Number]
    """Cases that do not count, by `Standing`."""
    approval_rate: Fraction | None
    air: float | None = None
    """Adverse impact ratio: the approval rate over that of the reference group."""
    air_interval: Interval | None = None
    """By bootstrap."""
    odds_ratio: float | None = None
    """Odds of a denial over those of the reference group."""
    odds_interval: Interval | None = None
    p_value: Fraction | None = None
    """Two-sided, for equal rates of denial."""
    test: str = ""
    """`z` (two proportions) or `fisher` (exact, where fewer than five cases are expected)."""
    smd: dict[str, float] = Field(default_factory=dict)
    """Standardised mean difference by measure: `score`, `pd`. Mean of the group less that of the
    reference group, over the standard deviation of all cases."""
    price: str = ""
    """The price that is compared: `apr`, or `rate` where no APR is known."""
    price_n: Number = 0
    """Approved cases with a price."""
    price_mean: float | None = None
    price_gap: float | None = None
    """Mean price less that of the reference group, as a fraction: below zero the reference group
    pays more."""
    price_interval: Interval | None = None
    """By bootstrap."""
    judgement: Judgement
    findings: tuple[str, ...] = ()
    """The measures beyond their thresholds: `air`, `smd:score`, `smd:pd`, `price`."""


class Comparison(Contract):
    """The groups of one attribute, in all cases or in a part of them."""

    attribute: str
    part: str = ""
    """`product` or `period`; empty for all cases."""
    value: str = ""
    """The product or the period."""
    reference: str | None
    """The same for all cases and each part; None where it has too few cases here."""
    groups: tuple[GroupFigures, ...]
    note: str = ""
    """Why groups were not compared, if they were not."""


class LowestAir(Contract):
    """The lowest adverse impact ratio among the groups of an attribute that have enough cases."""

    attribute: str
    group: str
    air: float


class CutOff(Contract):
    """What approving by one cut-off alone would give."""

    cut_off: float
    approval_rate: Fraction
    expected_default_rate: Fraction | None
    """Mean PD of the cases that it approves; None without a PD."""
    lowest: tuple[LowestAir, ...]
    less_discriminatory: bool
    """No lowest ratio is below that of the cut-off of today, one is higher, and the expected
    default rate is within the tolerance of today's. Never without a PD."""
    is_current: bool
    """It approves as many cases as the decisions did."""


class Search(Contract):
    """Cut-offs side by side, in a search for a less discriminatory alternative."""

    measure: str
    """`pd` or `score`."""
    cases: Number
    agreement: Fraction
    """The share of the decisions that the cut-off of today gives as well. Where it is low, other
    rules decide, and this table says little about them."""
    cut_offs: tuple[CutOff, ...]


class FairLendingReport(Contract):
    """Outcomes by group. A monitor and no legal test."""

    statement: tuple[str, ...]
    """What this report is and what it is not."""
    terms: FairnessTerms
    decisions: Number
    matched: Number
    """Decisions whose application has a row in the file of groups."""
    without_groups: Number
    groups_without_decision: Number
    standings: dict[str, Number]
    """The matched decisions by `Standing`."""
    comparisons: tuple[Comparison, ...]
    searches: tuple[Search, ...] = ()

    @property
    def flagged(self) -> int:
        """How many groups are flagged over all cases; the parts by product and period not
        counted."""
        return sum(
            figures.judgement is Judgement.FLAGGED
            for comparison in self.comparisons
            if not comparison.part
            for figures in comparison.groups
        )
