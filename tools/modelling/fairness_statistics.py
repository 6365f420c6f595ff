"""The statistics of the fair-lending report, in plain Python: intervals, tests, ratios.

Bootstrap intervals are percentile intervals of 95 %. The same generator state gives the same ones.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from statistics import fmean

BLOCKS = 100
"""A mean over more values than this is resampled by the means of so many random blocks."""
_WIDE = 9.0
"""Standard deviations of a binomial beyond which its probability does not show in a float."""
_Z95 = 1.959963984540054
_FEW_EXPECTED = 5.0
_EQUAL = 1 + 1e-7
"""Two tables of the same probability differ by rounding."""

Counts = tuple[int, int]
"""Approved and denied."""


def odds_ratio(group: Counts, reference: Counts) -> tuple[float, tuple[float, float]]:
    """The odds ratio of a denial, with its interval (Woolf).

    Where a count is zero, half a case is added to each (Haldane and Anscombe).
    """
    cells = [float(count) for count in (group[1], group[0], reference[1], reference[0])]
    if not all(cells):
        cells = [count + 0.5 for count in cells]
    denied, approved, denied_there, approved_there = cells
    log_ratio = math.log(denied * approved_there / (approved * denied_there))
    spread = _Z95 * math.sqrt(sum(1 / count for count in cells))
    return math.exp(log_ratio), (math.exp(log_ratio - spread), math.exp(log_ratio + spread))


def equal_rates_test(group: Counts, reference: Counts) -> tuple[str, float]:
    """The name of the test and its two-sided p-value, for equal rates in two groups.

    Fisher's exact test where a cell expects fewer than five cases, otherwise the z-test of two
    proportions with a pooled variance.
    """
    rows, columns = (sum(group), sum(reference)), (group[0] + reference[0], group[1] + reference[1])
    total = sum(rows)
    if min(row * column / total for row in rows for column in columns) < _FEW_EXPECTED:
        return "fisher", _fisher(group[0], rows[0], columns[0], total)
    pooled = columns[0] / total
    spread = math.sqrt(pooled * (1 - pooled) * (1 / rows[0] + 1 / rows[1]))
    z = (group[0] / rows[0] - reference[0] / rows[1]) / spread
    return "z", math.erfc(abs(z) / math.sqrt(2))


def mean_test(smd: float, n: int, others: int) -> float:
    """The two-sided p-value of a standardised mean difference, by the normal distribution."""
    return math.erfc(abs(smd) / math.sqrt(1 / n + 1 / others) / math.sqrt(2))


def _fisher(found: int, drawn: int, marked: int, total: int) -> float:
    """The probability of a table that is as unlikely as the found one, or more so."""
    lowest, highest = max(0, drawn + marked - total), min(drawn, marked)
    logs = [
        _log_choose(marked, count) + _log_choose(total - marked, drawn - count)
        for count in range(lowest, highest + 1)
    ]
    whole = _log_choose(total, drawn)
    chances = [math.exp(log - whole) for log in logs]
    limit = chances[found - lowest] * _EQUAL
    return min(1.0, math.fsum(chance for chance in chances if chance <= limit))


def ratio_interval(
    chance: random.Random, group: Counts, reference: Counts, resamples: int
) -> tuple[float, float] | None:
    """The bootstrap interval of the ratio of two approval rates; None without an approval.

    To draw n yes-or-no cases again is to draw from a binomial distribution.
    """
    if not reference[0]:
        return None
    draw, draw_there = binomial(chance, group), binomial(chance, reference)
    ratios = [(draw(), draw_there()) for _ in range(resamples)]
    return _middle([rate / there for rate, there in ratios if there])


def binomial(chance: random.Random, counts: Counts) -> Callable[[], float]:
    """Draws a rate as a bootstrap of these counts would give it, by the inverse of its CDF."""
    n, share = sum(counts), counts[0] / sum(counts)
    if share in {0.0, 1.0}:
        return lambda: share
    spread = _WIDE * math.sqrt(n * share * (1 - share)) + 1
    first, last = max(0, math.floor(n * share - spread)), min(n, math.ceil(n * share + spread))
    logs = math.log(share), math.log(1 - share)
    weights = [
        math.exp(_log_choose(n, count) + count * logs[0] + (n - count) * logs[1])
        for count in range(first, last + 1)
    ]
    below = list(accumulate(weights))
    return lambda: (first + min(bisect_left(below, chance.random()), last - first)) / n


def gap_interval(
    chance: random.Random, values: Sequence[float], others: Sequence[float], resamples: int
) -> tuple[float, float]:
    """The bootstrap interval of the difference of two means."""
    drawn = _means(chance, values, resamples), _means(chance, others, resamples)
    return _middle([mean - other for mean, other in zip(*drawn, strict=True)])


def _means(chance: random.Random, values: Sequence[float], resamples: int) -> list[float]:
    """Means of values drawn again with replacement.

    Drawing a hundred thousand values a thousand times takes too long. The means of equally large
    random blocks vary as the values do, divided by the size of a block.
    """
    blocks = list(values)
    if len(blocks) > 2 * BLOCKS:
        chance.shuffle(blocks)
        blocks = [fmean(blocks[first::BLOCKS]) for first in range(BLOCKS)]
    n = len(blocks)
    return [math.fsum(chance.choices(blocks, k=n)) / n for _ in range(resamples)]


def _middle(drawn: list[float]) -> tuple[float, float]:
    """The 2.5th and the 97.5th percentile."""
    drawn.sort()
    last = len(drawn) - 1
    return drawn[math.floor(0.025 * last)], drawn[math.ceil(0.975 * last)]


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
