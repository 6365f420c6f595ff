"""Fitted models as data: a scorecard of weights of evidence, and a challenger of trees.

A model of these contracts is evaluated without the libraries that fitted it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data.contracts.base import Contract, Sha256


class FittedBin(Contract):
    """One bin with its evidence. WOE = ln(share of the good / share of the bad)."""

    below: float | None = None
    """The first number above the range; None in the last bin of numbers."""
    values: tuple[str, ...] | None = None
    rows: Annotated[int, Field(ge=0)]
    bad: Annotated[int, Field(ge=0)]
    woe: float
    points: float = 0.0


class FittedAttribute(Contract):
    """A column of the card."""

    name: str
    kind: Literal["number", "category"]
    direction: Literal["rising", "falling", "any"] = "any"
    """How the risk moves with the number; "any" leaves it to the data."""
    reason: str
    iv: float
    """Information value: the sum of (share of good - share of bad) * WOE."""
    coefficient: float = 0.0
    """The weight of the WOE in the log-odds of bad; at most zero."""
    bins: Annotated[tuple[FittedBin, ...], Field(min_length=1)]
    missing: FittedBin

    @property
    def all_bins(self) -> tuple[FittedBin, ...]:
        return (*self.bins, self.missing)


class LeftOut(Contract):
    """A column that the model does not use, and why."""

    name: str
    why: str


class Provenance(Contract):
    """Where a model comes from: the same record gives the same model."""

    data_file: str
    data_sha256: Sha256
    rows: int
    bad_rows: int
    rows_without_target: int
    target: str
    bad_value: str
    bad_because: str = ""
    """Why this value is taken for the bad one; empty in earlier records."""
    seed: int
    derivation: str | None = None
    source: str | None = None
    licence: str | None = None
    libraries: dict[str, str]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]
    base_rate: float | None = None
    """The portfolio's own share of bad; None leaves the share of the data."""
    shift: float = 0.0
    """The amount added to the log-odds for it."""


class FittedScorecard(Contract):
    """score = base_score + pdo/ln 2 * (ln((1-PD)/PD) - ln base_odds)."""

    schema_version: Literal[1] = 1
    version: str
    pdo: float = 20.0
    base_score: float = 600.0
    base_odds: float = 50.0
    intercept: float
    """The constant of the log-odds of bad, with the shift of the base rate."""
    attributes: Annotated[tuple[FittedAttribute, ...], Field(min_length=1)]
    provenance: Provenance


class Tree(Contract):
    """A tree as columns, node by node; a leaf has the feature -1. Node 0 is the root."""

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    """A number up to and including the threshold goes left."""
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    @cached_property
    def nodes(self) -> tuple[tuple[int, float, bool, int, int, float], ...]:
        """Node by node: feature, threshold, missing_left, left, right, value."""
        columns = (self.threshold, self.missing_left, self.left, self.right, self.value)
        return tuple(zip(self.feature, *columns, strict=True))

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        size = len(self.feature)
        columns = (self.threshold, self.missing_left, self.left, self.right, self.value)
        if not size or any(len(column) != size for column in columns):
            raise ValueError("the columns of a tree differ in length")
        for node, feature in enumerate(self.feature):
            if feature >= 0 and not (
                node < self.left[node] < size and node < self.right[node] < size
            ):
                raise ValueError("a node must come before its children")
        return self


class TreeFeature(Contract):
    """A column that the trees read. Categories are read as the number that `codes` gives."""

    name: str
    codes: dict[str, float] | None = None


class FittedChallenger(Contract):
    """Log-odds of bad = baseline + the sum of the trees' leaves."""

    schema_version: Literal[1] = 1
    version: str
    baseline: float
    features: tuple[TreeFeature, ...]
    trees: tuple[Tree, ...]
    provenance: Provenance
