"""Drift: what decisions are based on, in two periods; and forecasts against what came true."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from data.contracts.base import Contract, Day

Number = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class DriftLevel(StrEnum):
    """How far a distribution has moved."""

    NOT_JUDGED = "not_judged"
    """Too few decisions in a period."""
    STABLE = "stable"
    WATCH = "watch"
    ACT = "act"


class DriftTerms(Contract):
    """When a shift counts. The defaults are customary; the lender may choose others."""

    watch_from: Annotated[float, Field(gt=0)] = 0.10
    act_from: Annotated[float, Field(gt=0)] = 0.25
    min_n: Annotated[int, Field(ge=1)] = 100
    """Periods with fewer decisions are shown and not judged."""
    significance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Of the test whether defaults are as frequent as forecast."""


class DriftPeriod(Contract):
    """Decisions from a day up to, and without, another one, by the day of the decision (UTC)."""

    since: Day
    until: Day
    decisions: Number
    """Decisions that a policy judged, or the drawn ones of them."""
    share: Fraction
    """Below 1 where there are so many that only a part was drawn, by the digest of its content."""


class BinShare(Contract):
    """One bin of an attribute: its share of the decisions in both periods."""

    bin: str
    baseline: Fraction
    current: Fraction


class AttributeDrift(Contract):
    """How one attribute, or the score, is distributed in two periods."""

    attribute: str
    index: Literal["psi", "csi"]
    """`psi` of the score (the probability of default), `csi` of an attribute: one formula."""
    value: float
    by_chance: float
    """The mean value without any shift, for so many bins and decisions."""
    level: DriftLevel
    bins: tuple[BinShare, ...]


class CalibrationBand(Contract):
    """Loans of similar forecast: how many of them went bad."""

    lowest: Fraction
    highest: Fraction
    n: Number
    bad: Number
    forecast: Fraction
    """The mean probability of default."""
    observed: Fraction
    interval_low: Fraction
    interval_high: Fraction
    """The 95 % interval of the observed rate (Wilson)."""


class Calibration(Contract):
    """Forecasts against the outcomes of the loans that have matured. None where there are none."""

    n: Number
    bad: Number
    expected_bad: float
    ratio: float | None
    """Observed over expected."""
    p_value: Fraction | None
    """Two-sided, for as many as forecast."""
    brier: float | None
    level: DriftLevel
    """`act` where the numbers differ beyond chance."""
    bands: tuple[CalibrationBand, ...]
    """Tenths of the loans by forecast, the safest first."""


class DriftReport(Contract):
    """Stability of score and attributes between two periods, and calibration."""

    terms: DriftTerms
    baseline: DriftPeriod
    current: DriftPeriod
    attributes: tuple[AttributeDrift, ...]
    """The score first, then by how far each has moved."""
    calibration: Calibration

    def at(self, level: DriftLevel) -> tuple[str, ...]:
        """The attributes at a level."""
        return tuple(found.attribute for found in self.attributes if found.level is level)


class OutcomesImported(Contract):
    """What an import of outcomes did."""

    rows: Number
    new: Number
    replaced: Number
    """By a newer one."""
    unchanged: Number
    """The same again, or older than what is there."""
    undecided: Number
    """Left out: this desk has decided no such application."""
    without_forecast: Number
    """Of the stored ones: decided before there was a probability of default."""
