"""Log-odds of boosted trees, and what each attribute costs, without a heavy library."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data.contracts.fitted import Tree
from data.contracts.tree_card import TreeCard

_MOST_KEPT = 10_000
_MISSING = -1


def leaf_of(tree: Tree, numbers: Sequence[float]) -> float:
    """The value of the leaf that a row falls into. NaN is a missing number."""
    nodes, node = tree.nodes, 0
    while True:
        feature, threshold, missing_left, left, right, value = nodes[node]
        if feature < 0:
            return value
        number = numbers[feature]
        goes_left = missing_left if math.isnan(number) else number <= threshold
        node = left if goes_left else right


class TreesRead(NamedTuple):
    """What the trees of a card say of one applicant, before the points of the overlay."""

    log_odds: float
    """Of bad."""
    costs: tuple[tuple[int, float], ...]
    """By input: the log-odds that it adds to those of its best number, the others being as they
    are. The trees are monotone in each input, so none adds less than nothing."""


def read_trees(card: TreeCard, numbers: Sequence[float]) -> TreesRead:
    """Evaluate a card. NaN is a missing number.

    Numbers that lie between the same thresholds fall into the same leaves. Most applicants of a
    portfolio share these places with an earlier one, so the trees are walked once for all of them.
    """
    places = tuple(map(_place, card.thresholds, numbers))
    found: TreesRead | None = card.readings.get(places)
    if found is None:
        if len(card.readings) >= _MOST_KEPT:
            card.readings.clear()
        log_odds = card.baseline + math.fsum(leaf_of(tree, numbers) for tree in card.trees)
        found = card.readings[places] = TreesRead(log_odds, tuple(_costs(card, numbers)))
    return found


def _place(thresholds: Sequence[float], number: float) -> int:
    return _MISSING if math.isnan(number) else bisect_left(thresholds, number)


def _costs(card: TreeCard, numbers: Sequence[float]) -> Iterator[tuple[int, float]]:
    for at, found in enumerate(card.inputs):
        best = [*numbers[:at], found.best, *numbers[at + 1 :]]
        if _place(card.thresholds[at], numbers[at]) == _place(card.thresholds[at], found.best):
            continue
        reading = [tree for tree in card.trees if at in tree.feature]
        yield at, math.fsum(leaf_of(tree, numbers) - leaf_of(tree, best) for tree in reading)
