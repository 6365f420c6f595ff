"""Log-odds, score and reasons of a fitted model, row by row and without a heavy library."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping

from data.contracts.fitted import (
    FittedAttribute,
    FittedBin,
    FittedChallenger,
    FittedScorecard,
    TreeFeature,
)
from tools.modelling.table import number_in
from tools.trees import leaf_of

Row = Mapping[str, str | None]
_PRINCIPAL_REASONS = 4


def bin_of(attribute: FittedAttribute, cell: str | None) -> FittedBin:
    """The bin of a cell. A category that the fit has not seen counts as missing."""
    if attribute.kind == "category":
        return next(
            (part for part in attribute.bins if cell in (part.values or ())), attribute.missing
        )
    number = number_in(cell)
    if math.isnan(number):
        return attribute.missing
    bounds = [part.below for part in attribute.bins if part.below is not None]
    return attribute.bins[bisect.bisect_right(bounds, number)]


def scorecard_log_odds(card: FittedScorecard, row: Row) -> float:
    """The log-odds of bad."""
    return card.intercept + math.fsum(
        attribute.coefficient * bin_of(attribute, row[attribute.name]).woe
        for attribute in card.attributes
    )


def score_of(card: FittedScorecard, log_odds: float) -> float:
    """The score for log-odds of bad, on the card's scale."""
    factor = card.pdo / math.log(2)
    return card.base_score - factor * (math.log(card.base_odds) + log_odds)


def reasons_of(card: FittedScorecard, row: Row) -> tuple[str, ...]:
    """At most four reasons, by the points lost against the best bin of each attribute."""
    lost: dict[str, float] = {}
    for attribute in card.attributes:
        best = max(part.points for part in attribute.all_bins)
        points = best - bin_of(attribute, row[attribute.name]).points
        lost[attribute.reason] = lost.get(attribute.reason, 0.0) + points
    ranked = sorted((-points, reason) for reason, points in lost.items() if points > 1e-9)
    return tuple(reason for _, reason in ranked[:_PRINCIPAL_REASONS])


def challenger_log_odds(model: FittedChallenger, row: Row) -> float:
    """The log-odds of bad by the trees."""
    numbers = [_number(feature, row[feature.name]) for feature in model.features]
    return model.baseline + math.fsum(leaf_of(tree, numbers) for tree in model.trees)


def blend_log_odds(scorecard: float, challenger: float) -> float:
    """The mean of the two log-odds, as the desk's ensemble takes it."""
    return (scorecard + challenger) / 2


def probability(log_odds: float) -> float:
    """The probability of bad."""
    return 1 / (1 + math.exp(-log_odds))


def _number(feature: TreeFeature, cell: str | None) -> float:
    if feature.codes is None:
        return number_in(cell)
    return math.nan if cell is None else feature.codes.get(cell, math.nan)
