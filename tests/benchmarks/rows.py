"""What a measurement gives: rows with a value, a goal, and whether the value meets the goal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Goal(_Frozen):
    """A bound that a value has to keep."""

    bound: Literal["<=", ">="]
    value: float

    def is_met_by(self, value: float) -> bool:
        return value <= self.value if self.bound == "<=" else value >= self.value


def at_most(value: float) -> Goal:
    return Goal(bound="<=", value=value)


def at_least(value: float) -> Goal:
    return Goal(bound=">=", value=value)


class Row(_Frozen):
    """One figure of the report."""

    name: str
    """The measurement, a dot, and which of its figures this is."""
    what: str
    value: float | None
    """The figure that the goal is about. None when the measurement failed."""
    unit: str = ""
    goal: Goal | None = None
    spread: tuple[float, float] | None = None
    """The first and the third quartile of the samples that the value is the median of."""
    parts: Mapping[str, float] = {}
    """The figures that the value is made of, by name."""
    part_unit: str = ""
    fault: str = ""
    """Why the row misses its goal whatever its value is, for example because a run was lost."""
    seconds: float = 0.0
    """From the row before, or the start of the measurement, to this row."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def holds(self) -> bool | None:
        """Whether the goal is met. None when there is no goal."""
        if self.fault or self.value is None:
            return False
        return None if self.goal is None else self.goal.is_met_by(self.value)


def failed(name: str, error: Exception) -> Row:
    """The row of a measurement that could not be carried out."""
    reason = str(error).strip().splitlines() or [""]
    fault = f"{type(error).__name__}: {reason[0]}"[:160]
    return Row(name=name, what=f"{name} could not be measured", value=None, fault=fault)


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high


def ratio(
    name: str,
    what: str,
    pairs: Mapping[str, Sequence[float]],
    goal: Goal,
) -> Row:
    """The median ratio of pairs, with the spread of the ratios and both medians in milliseconds.

    `pairs` names the two sides, the one above the line first, and holds their seconds in the order
    of the pairs.
    """
    above, below = pairs.values()
    ratios = [over / under for over, under in zip(above, below, strict=True)]
    return Row(
        name=name,
        what=what,
        value=statistics.median(ratios),
        goal=goal,
        spread=quartiles(ratios),
        parts={side: statistics.median(seconds) * 1000 for side, seconds in pairs.items()},
        part_unit="ms",
    )


def median_ms(name: str, what: str, seconds: Sequence[float], goal: Goal) -> Row:
    """The median of samples in seconds, as milliseconds."""
    samples = [sample * 1000 for sample in seconds]
    return Row(
        name=name,
        what=f"{what}, p50 of {len(samples)}",
        value=statistics.median(samples),
        unit="ms",
        goal=goal,
        spread=quartiles(samples),
    )
