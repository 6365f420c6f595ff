"""A points scorecard as data: attributes, bins, points, and the reason each one stands for."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from data.contracts.base import Contract, Slug
from data.contracts.decision import Grade
from data.contracts.policy import ReasonCode
from data.contracts.quantities import Share

Category = StrictBool | StrictInt | StrictStr
AttributeValue = StrictBool | StrictInt | float | StrictStr | None
"""What an attribute may be; None is a value too and has a bin of its own."""


class Bin(Contract):
    """The points for a range of numbers, from the bin before up to `below`, or for categories."""

    below: float | None = None
    """The first number that is outside; None in the last bin of a numeric attribute."""
    values: tuple[Category, ...] | None = None
    points: float


class CardAttribute(Contract):
    """One line of the card."""

    name: Annotated[str, Field(min_length=1)]
    reason: ReasonCode
    """What an applicant is told when this attribute cost them the most points."""
    bins: Annotated[tuple[Bin, ...], Field(min_length=1)]
    missing: float
    """Points when the value is not known."""

    @property
    def is_categorical(self) -> bool:
        return self.bins[0].values is not None

    @property
    def best(self) -> float:
        """The most points that the attribute can give."""
        return max(self.missing, *(part.points for part in self.bins))

    @model_validator(mode="after")
    def _bins_cover_everything_once(self) -> Self:
        if not self.reason.printable:
            raise ValueError("a reason that may not be printed explains nothing")
        if self.is_categorical:
            seen = [(type(value), value) for part in self.bins for value in part.values or ()]
            if any(not part.values or part.below is not None for part in self.bins):
                raise ValueError("a categorical attribute has categories in every bin")
            if len(set(seen)) < len(seen):
                raise ValueError("bins overlap: a category is given twice")
            return self
        bounds = [part.below for part in self.bins]
        inner = [bound for bound in bounds[:-1] if bound is not None]
        if any(part.values is not None for part in self.bins):
            raise ValueError("a numeric attribute has no categories")
        if bounds[-1] is not None or len(inner) < len(bounds) - 1:
            raise ValueError("only the last bin is open, and it must be")
        if any(low >= high for low, high in pairwise(inner)):
            raise ValueError("bins overlap: bounds must rise")
        return self


class Scorecard(Contract):
    """A card and its scale: `base_score` at `base_odds` to one, doubling every `pdo` points."""

    name: Slug
    version: str
    provenance: Annotated[str, Field(min_length=1)]
    """Where the points come from: the data and method of a fit, or whose judgement."""
    target: str
    """The event whose probability the card states."""
    pdo: Annotated[float, Field(gt=0)]
    base_score: float
    base_odds: Annotated[float, Field(gt=0)]
    base_points: float = 0.0
    """What everybody starts with."""
    attributes: Annotated[tuple[CardAttribute, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _attributes_are_distinct(self) -> Self:
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) < len(names):
            raise ValueError("an attribute is scored twice")
        return self


class GradeBand(Contract):
    """A risk grade and the probability of default at which the next one begins."""

    grade: Grade
    pd_below: Annotated[Share, Field(gt=0)] | None
    """None in the last band only."""


class Ensemble(Contract):
    """How the members' probabilities become one probability, one grade and one loss."""

    name: Slug
    version: str
    loss_given_default: Share
    bands: Annotated[tuple[GradeBand, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _bands_cover_everything_once(self) -> Self:
        bounds = [band.pd_below for band in self.bands]
        inner = [bound for bound in bounds[:-1] if bound is not None]
        if bounds[-1] is not None or len(inner) < len(bounds) - 1:
            raise ValueError("only the last band is open, and it must be")
        if any(low >= high for low, high in pairwise(inner)):
            raise ValueError("bands overlap: bounds must rise")
        if tuple(band.grade for band in self.bands) != tuple(Grade):
            raise ValueError("every grade has one band, the best first")
        return self
