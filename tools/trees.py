"""Log-odds of boosted trees, and what each attribute costs, without a heavy library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from data.contracts.fitted import Tree
from data.contracts.tree_card import TreeCard


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


def trees_log_odds(card: TreeCard, numbers: Sequence[float]) -> float:
    """The log-odds of bad, before the points of the overlay."""
    return card.baseline + math.fsum(leaf_of(tree, numbers) for tree in card.trees)


def costs(card: TreeCard, numbers: Sequence[float]) -> Iterator[tuple[int, float]]:
    """The log-odds that each input adds to those of its best number, the others being as they are.

    The trees are monotone in each input, so an input never adds less than nothing.
    """
    for at, found in enumerate(card.inputs):
        low, high = card.reach[at]
        number = numbers[at]
        if number <= low if found.direction == "rising" else number > high:
            continue
        best = [*numbers[:at], found.best, *numbers[at + 1 :]]
        reading = [tree for tree in card.trees if at in tree.feature]
        yield at, math.fsum(leaf_of(tree, numbers) - leaf_of(tree, best) for tree in reading)
