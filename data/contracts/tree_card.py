"""Boosted trees as the desk reads them: with a reason and a direction for every attribute."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from data.contracts.base import Contract
from data.contracts.fitted import Tree
from data.contracts.policy import ReasonCode
from data.contracts.scorecard import CardAttribute, Number, ScoreModel


class TreeInput(Contract):
    """An attribute that the trees read."""

    name: Annotated[str, Field(min_length=1)]
    reason: ReasonCode
    direction: Literal["rising", "falling"]
    """How the risk moves with the number. So the best number is known, and what another costs."""
    if_missing: Number | None = None
    """The number that stands for an unknown one; None where the trees have learnt what to do."""

    @property
    def best(self) -> float:
        return float("-inf" if self.direction == "rising" else "inf")


class TreeCard(ScoreModel):
    """Log-odds of bad = baseline + the sum of the leaves, on the scale of a scorecard.

    The points of the overlay are added to the score.
    """

    baseline: Number
    inputs: Annotated[tuple[TreeInput, ...], Field(min_length=1)]
    trees: Annotated[tuple[Tree, ...], Field(min_length=1)]
    overlay: tuple[CardAttribute, ...] = ()
    """Attributes whose points an expert set, with the grounds."""

    @property
    def read(self) -> tuple[str, ...]:
        """The names of all attributes that the card reads."""
        inputs = tuple(found.name for found in self.inputs)
        return (*inputs, *(found.name for found in self.overlay))

    @cached_property
    def thresholds(self) -> tuple[tuple[float, ...], ...]:
        """The thresholds of each input in order. Between two of them a number changes nothing."""
        found: list[set[float]] = [set() for _ in self.inputs]
        for tree in self.trees:
            for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
                if feature >= 0:
                    found[feature].add(threshold)
        return tuple(tuple(sorted(part)) for part in found)

    @cached_property
    def readings(self) -> dict[tuple[int, ...], Any]:
        """What the trees said, by the places of the numbers between the thresholds."""
        return {}

    @model_validator(mode="after")
    def _trees_read_the_inputs(self) -> Self:
        if len(set(self.read)) < len(self.read):
            raise ValueError("an attribute is scored twice")
        if not all(found.reason.printable for found in self.inputs):
            raise ValueError("the reason may not be printed: use a printable reason code")
        if any(max(tree.feature) >= len(self.inputs) for tree in self.trees):
            raise ValueError("a tree reads an input that is not there")
        return self
