"""A points scorecard as data: attributes, bins, points, and a reason for each attribute."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from data.contracts.base import Contract, Day, Slug
from data.contracts.decision import Grade
from data.contracts.policy import ReasonCode
from data.contracts.quantities import Share

Number = Annotated[float, Field(strict=True)]
"""A number of a card. Text with digits and booleans are refused."""

Category = StrictBool | StrictInt | StrictStr
AttributeValue = StrictBool | StrictInt | float | StrictStr | None
"""A value of an attribute. None means "not known" and has its own points."""


class Bin(Contract):
    """The points for a range of numbers, from the previous bin up to `below`, or for categories."""

    below: Number | None = None
    """The first number above the range; None in the last bin of a numeric attribute."""
    values: tuple[Category, ...] | None = None
    points: Number


class SignOff(Contract):
    """A person's consent to an attribute that may stand for a prohibited one, and the grounds."""

    by: Annotated[str, Field(min_length=1)]
    on: Day
    grounds: Annotated[str, Field(min_length=1)]


def _is_none(value: object) -> bool:
    return value is None


class CardAttribute(Contract):
    """One attribute of the card with its bins."""

    name: Annotated[str, Field(min_length=1)]
    reason: ReasonCode
    """The reason that the applicant receives when this attribute cost the most points."""
    bins: Annotated[tuple[Bin, ...], Field(min_length=1)]
    missing: Number
    """The points when the value is not known."""
    sign_off: SignOff | None = Field(default=None, exclude_if=_is_none)
    """Needed for a place. Cards of older runs are hashed without it."""
    expert: Annotated[str, Field(min_length=1)] | None = Field(default=None, exclude_if=_is_none)
    """In an overlay: why an expert gave these points, which the data could not teach."""

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
            raise ValueError("the reason may not be printed: use a printable reason code")
        if self.is_categorical:
            seen = [(type(value), value) for part in self.bins for value in part.values or ()]
            if any(not part.values or part.below is not None for part in self.bins):
                raise ValueError(
                    "every bin of a categorical attribute needs `values` and no `below`"
                )
            if len(set(seen)) < len(seen):
                raise ValueError("bins overlap: a category is given twice")
            return self
        bounds = [part.below for part in self.bins]
        inner = [bound for bound in bounds[:-1] if bound is not None]
        if any(part.values is not None for part in self.bins):
            raise ValueError("a numeric attribute must not have categories in `values`")
        if bounds[-1] is not None or len(inner) < len(bounds) - 1:
            raise ValueError("the last bin, and only the last bin, has no `below`")
        if any(low >= high for low, high in pairwise(inner)):
            raise ValueError("bins overlap: bounds must be in ascending order")
        return self


class ScoreModel(Contract):
    """A model and its scale: `base_score` at `base_odds` to one, doubling every `pdo` points."""

    name: Slug
    version: str
    provenance: Annotated[str, Field(min_length=1)]
    """The source of the points: the data and method of a fit, or the expert who set them."""
    target: str
    """The event whose probability the model gives."""
    pdo: Annotated[Number, Field(gt=0)]
    base_score: Number
    base_odds: Annotated[Number, Field(gt=0)]


class Scorecard(ScoreModel):
    """A card: the points of its attributes are added up."""

    base_points: Number = 0.0
    """The points with which every score begins."""
    attributes: Annotated[tuple[CardAttribute, ...], Field(min_length=1)]
    overlay: tuple[CardAttribute, ...] = Field(default=(), exclude_if=operator.not_)
    """On a fitted card: the attributes whose points an expert set, with the grounds."""

    @property
    def scored(self) -> tuple[CardAttribute, ...]:
        """All attributes that give points."""
        return (*self.attributes, *self.overlay)

    @model_validator(mode="after")
    def _attributes_are_distinct(self) -> Self:
        names = [attribute.name for attribute in self.scored]
        if len(set(names)) < len(names):
            raise ValueError("an attribute is scored twice")
        return self


class GradeBand(Contract):
    """A risk grade, and the probability of default at which the next grade begins."""

    grade: Grade
    pd_below: Annotated[Share, Field(gt=0)] | None
    """None in the last band only."""


class Ensemble(Contract):
    """How the desk combines the members into one probability, one grade and one loss."""

    name: Slug
    version: str
    loss_given_default: Share
    bands: Annotated[tuple[GradeBand, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _bands_cover_everything_once(self) -> Self:
        bounds = [band.pd_below for band in self.bands]
        inner = [bound for bound in bounds[:-1] if bound is not None]
        if bounds[-1] is not None or len(inner) < len(bounds) - 1:
            raise ValueError("the last band, and only the last band, has no `pd_below`")
        if any(low >= high for low, high in pairwise(inner)):
            raise ValueError("bands overlap: bounds must be in ascending order")
        if tuple(band.grade for band in self.bands) != tuple(Grade):
            raise ValueError("every grade needs one band, with the best grade first")
        return self
