"""The trees of a challenger are walked once for all numbers between the same thresholds."""

from __future__ import annotations

import math
import random

from data.contracts.tree_card import TreeCard
from data.settings import Settings
from tools.trees import leaf_of, read_trees

SHIPPED = (Settings().data_dir / "models" / "challenger-v2.json").read_text()


def test_a_reading_that_is_kept_is_what_the_trees_say_of_these_numbers() -> None:
    card, draw = TreeCard.model_validate_json(SHIPPED), random.Random(5)
    edges = [
        [*cuts, *(math.nextafter(cut, math.inf) for cut in cuts), math.inf, -math.inf, math.nan]
        for cuts in card.thresholds
    ]
    rows = [[draw.choice(some[-9:]) for some in edges] for _ in range(1500)]

    for numbers in rows:
        walked = card.baseline + math.fsum(leaf_of(tree, numbers) for tree in card.trees)
        assert read_trees(card, numbers).log_odds == walked

    assert len(card.readings) < len({str(numbers) for numbers in rows})
    kept = [read_trees(card, numbers) for numbers in rows[-40:]]
    card.readings.clear()
    assert [read_trees(card, numbers) for numbers in rows[-40:]] == kept
