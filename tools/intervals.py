"""Confidence intervals at 95 % for shares and means, and for the differences of two of them.

Shares have Wilson's score interval, and their difference Newcombe's (Statistics in Medicine 17,
1998, method 10): both hold for small counts and for shares near 0. Means have the normal interval,
and their difference Welch's. Two arms that judged the same cases are compared as if they had not,
which makes the interval wider and never narrower where they agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from data.contracts.canary import Interval

_Z = 1.959963984540054
_PLACES = 6


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The bounds of Wilson's score interval for `hits` of `n`. `n` must not be zero."""
    portion, square = hits / n, _Z * _Z
    centre = (portion + square / (2 * n)) / (1 + square / n)
    root = math.sqrt(portion * (1 - portion) / n + square / (4 * n * n))
    half = _Z * root / (1 + square / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def share(hits: int, n: int) -> Interval:
    """The share of hits, with Wilson's interval."""
    if n == 0:
        return Interval(n=0)
    low, high = wilson(hits, n)
    return _interval(n, hits / n, low, high)


def difference_of_shares(hits: int, n: int, base_hits: int, base_n: int) -> Interval:
    """The first share minus the second one, with Newcombe's interval; `n` is the smaller count."""
    if n == 0 or base_n == 0:
        return Interval(n=0)
    here, there = hits / n, base_hits / base_n
    low, high = wilson(hits, n)
    base_low, base_high = wilson(base_hits, base_n)
    gap = here - there
    return _interval(
        min(n, base_n),
        gap,
        gap - math.hypot(here - low, base_high - there),
        gap + math.hypot(high - here, there - base_low),
    )


def mean(values: Sequence[float]) -> Interval:
    """The mean; its interval needs two values."""
    n = len(values)
    if n == 0:
        return Interval(n=0)
    middle = math.fsum(values) / n
    if n == 1:
        return Interval(n=1, value=round(middle, _PLACES))
    half = _Z * math.sqrt(_variance(values, middle) / n)
    return _interval(n, middle, middle - half, middle + half)


def difference_of_means(values: Sequence[float], base: Sequence[float]) -> Interval:
    """The first mean minus the second one; its interval needs two values on each side."""
    n = min(len(values), len(base))
    if n == 0:
        return Interval(n=0)
    here, there = math.fsum(values) / len(values), math.fsum(base) / len(base)
    if n == 1:
        return Interval(n=1, value=round(here - there, _PLACES))
    spread = _variance(values, here) / len(values) + _variance(base, there) / len(base)
    half, gap = _Z * math.sqrt(spread), here - there
    return _interval(n, gap, gap - half, gap + half)


def _variance(values: Sequence[float], middle: float) -> float:
    return math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)


def _interval(n: int, value: float, low: float, high: float) -> Interval:
    return Interval(
        n=n, value=round(value, _PLACES), low=round(low, _PLACES), high=round(high, _PLACES)
    )
