"""Points, score and probability of default of one applicant on one card, or by boosted trees.

score = offset + factor * ln((1 - PD) / PD), with factor = PDO / ln 2 and
offset = base score - factor * ln(base odds). A value without a bin raises an error and is never
scored as zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from data.contracts.errors import PolicyRefusedError, RecordNotFoundError, ToolError
from data.contracts.policy import ReasonCode
from data.contracts.scorecard import AttributeValue, CardAttribute, Scorecard, ScoreModel
from data.contracts.tree_card import TreeCard, TreeInput
from tools.base import tool
from tools.policy_law import forbidden_in_card, forbidden_in_trees
from tools.trees import read_trees
from tools.versioned_data import load_versioned, parsed

_NO_POINTS = 1e-6


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


def load_challenger(path: Path) -> Scorecard | TreeCard:
    """Read a card or boosted trees. Raises as `load_scorecard` does."""
    try:
        found = path.stat()
    except OSError:
        raise RecordNotFoundError(f"there is no file {path.name}") from None
    if not _holds_trees(path, found.st_mtime_ns, found.st_size):
        return load_scorecard(path)
    card = load_versioned(path, TreeCard)
    if problems := tuple(forbidden_in_trees(card)):
        raise PolicyRefusedError(path.name, problems)
    return card


@lru_cache(maxsize=64)
def _holds_trees(path: Path, _changed: int, _size: int) -> bool:
    content = parsed(path)
    return isinstance(content, dict) and "trees" in content


@tool()
def score_applicant(
    card: Scorecard | TreeCard, attributes: Mapping[str, AttributeValue]
) -> CardScore:
    """Add up the points of every attribute of the card, or the leaves of its trees.

    None gives the attribute's points for a missing value. Raises ToolError, which names the
    attribute, when an attribute is absent, is not a number, or has an unknown category.
    """
    if isinstance(card, TreeCard):
        score, lost = _of_trees(card, attributes)
        pointed = card.overlay
    else:
        score, lost = card.base_points, []
        pointed = card.scored
    for attribute in pointed:
        points = _points(attribute, attributes)
        score += points
        if points < attribute.best:
            lost.append(
                ScoreFactor(attribute.name, attribute.reason, round(attribute.best - points, 6))
            )
    lost.sort(key=lambda factor: (-factor.points_lost, factor.attribute))
    return CardScore(score, pd_of(score, card), tuple(lost))


def pd_of(score: float, card: ScoreModel) -> float:
    """The probability of default for a score on the card's scale."""
    factor, offset = _scale(card)
    return 1 / (1 + math.exp((score - offset) / factor))


def _scale(card: ScoreModel) -> tuple[float, float]:
    factor = card.pdo / math.log(2)
    return factor, card.base_score - factor * math.log(card.base_odds)


def _of_trees(
    card: TreeCard, attributes: Mapping[str, AttributeValue]
) -> tuple[float, list[ScoreFactor]]:
    factor, offset = _scale(card)
    read = read_trees(card, [_number_for(found, attributes) for found in card.inputs])
    lost = [
        ScoreFactor(card.inputs[at].name, card.inputs[at].reason, round(points, 6))
        for at, log_odds in read.costs
        if (points := factor * log_odds) > _NO_POINTS
    ]
    return offset - factor * read.log_odds, lost


def _number_for(found: TreeInput, values: Mapping[str, AttributeValue]) -> float:
    value = _known(found.name, values)
    if value is None:
        return math.nan if found.if_missing is None else found.if_missing
    return _finite(found.name, value)


def _known(name: str, values: Mapping[str, AttributeValue]) -> AttributeValue:
    if name not in values:
        raise ToolError(f"attribute {name} is missing")
    return values[name]


def _finite(name: str, value: AttributeValue) -> float:
    if value is None or isinstance(value, bool | str) or not math.isfinite(value):
        raise ToolError(f"attribute {name} is not a number")
    return value


def _points(attribute: CardAttribute, values: Mapping[str, AttributeValue]) -> float:
    value = _known(attribute.name, values)
    if value is None:
        return attribute.missing
    if attribute.is_categorical:
        for part in attribute.bins:
            if any(type(value) is type(known) and value == known for known in part.values or ()):
                return part.points
        raise ToolError(f"attribute {attribute.name} has an unknown category")
    number = _finite(attribute.name, value)
    return next(part.points for part in attribute.bins if part.below is None or number < part.below)
