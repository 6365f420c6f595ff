"""Points, score and probability of default of one applicant on one card.

score = offset + factor * ln((1 - PD) / PD), with factor = PDO / ln 2 and
offset = base score - factor * ln(base odds). A value without a bin raises an error and is never
scored as zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.contracts.errors import PolicyRefusedError, ToolError
from data.contracts.policy import ReasonCode
from data.contracts.scorecard import AttributeValue, CardAttribute, Scorecard
from tools.base import tool
from tools.policy_law import forbidden_in_card
from tools.versioned_data import load_versioned


@dataclass(frozen=True)
class ScoreFactor:
    """The points that an attribute cost, compared with its best bin."""

    attribute: str
    reason: ReasonCode
    points_lost: float


@dataclass(frozen=True)
class CardScore:
    """The result of a card: score, probability of its target event, and factors."""

    score: float
    pd: float
    factors: tuple[ScoreFactor, ...]
    """All attributes that cost points, the most expensive first."""


def load_scorecard(path: Path) -> Scorecard:
    """Read a card.

    Raises RecordNotFoundError or RecordCorruptError, which name the file, and PolicyRefusedError
    with the attribute for a card that the law forbids.
    """
    card = load_versioned(path, Scorecard)
    if problems := tuple(forbidden_in_card(card)):
        raise PolicyRefusedError(path.name, problems)
    return card


@tool()
def score_applicant(card: Scorecard, attributes: Mapping[str, AttributeValue]) -> CardScore:
    """Add up the points of every attribute of the card.

    None gives the attribute's points for a missing value. Raises ToolError, which names the
    attribute, when an attribute is absent, is not a number, or has an unknown category.
    """
    lost, score = [], card.base_points
    for attribute in card.attributes:
        points = _points(attribute, attributes)
        score += points
        if points < attribute.best:
            lost.append(
                ScoreFactor(attribute.name, attribute.reason, round(attribute.best - points, 6))
            )
    lost.sort(key=lambda factor: (-factor.points_lost, factor.attribute))
    return CardScore(score, pd_of(score, card), tuple(lost))


def pd_of(score: float, card: Scorecard) -> float:
    """The probability of default for a score on the card's scale."""
    factor, offset = _scale(card)
    return 1 / (1 + math.exp((score - offset) / factor))


def _scale(card: Scorecard) -> tuple[float, float]:
    factor = card.pdo / math.log(2)
    return factor, card.base_score - factor * math.log(card.base_odds)


def _points(attribute: CardAttribute, values: Mapping[str, AttributeValue]) -> float:
    if attribute.name not in values:
        raise ToolError(f"attribute {attribute.name} is missing")
    value = values[attribute.name]
    if value is None:
        return attribute.missing
    if attribute.is_categorical:
        for part in attribute.bins:
            if any(type(value) is type(known) and value == known for known in part.values or ()):
                return part.points
        raise ToolError(f"attribute {attribute.name} has an unknown category")
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ToolError(f"attribute {attribute.name} is not a number")
    return next(part.points for part in attribute.bins if part.below is None or value < part.below)
