"""Drift: the population stability index (PSI) of the score and of each attribute (CSI).

PSI = sum over bins of (a - e) * ln(a / e), where e is the share of a bin in the baseline and a in
the current period. The bins are those of the baseline: tenths of a number, the values of a
category, and one for values that are not known. The index of an attribute is the same formula.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from data.contracts.drift import AttributeDrift, BinShare, DriftLevel, DriftTerms

SCORE = "pd"
Value = float | str | None
"""A number, a category, or None where it is not known."""

_TENTHS = 10
_MOST_CATEGORIES = 20
_FEWEST_CASES = 0.5
MISSING, OTHER = "not known", "other"


def stability_index(baseline: Sequence[float], current: Sequence[float]) -> float:
    """The PSI of counts by bin, in the same order. A bin without a case counts as half a case.

    0 where a period has no case.
    """
    total, total_now = sum(baseline), sum(current)
    if not total or not total_now:
        return 0.0
    index = 0.0
    for count, count_now in zip(baseline, current, strict=True):
        if count or count_now:
            before = max(count, _FEWEST_CASES) / total
            after = max(count_now, _FEWEST_CASES) / total_now
            index += (after - before) * math.log(after / before)
    return index


def attribute_drift(
    name: str, baseline: Sequence[Value], current: Sequence[Value], terms: DriftTerms
) -> AttributeDrift:
    """How far one attribute has moved between two periods."""
    label = _binning(baseline)
    before, after = Counter(map(label, baseline)), Counter(map(label, current))
    names = sorted(before.keys() | after.keys())
    counts = [before[name] for name in names], [after[name] for name in names]
    value = round(stability_index(*counts), 6)
    sizes = len(baseline), len(current)
    return AttributeDrift(
        attribute=name,
        index="psi" if name == SCORE else "csi",
        value=value,
        by_chance=_by_chance(len(names), *sizes),
        level=_level(value, min(sizes), terms),
        bins=tuple(
            BinShare(bin=bin_name[1], baseline=_share(old, sizes[0]), current=_share(new, sizes[1]))
            for bin_name, old, new in zip(names, *counts, strict=True)
        ),
    )


def drifts(
    baseline: Mapping[str, Sequence[Value]],
    current: Mapping[str, Sequence[Value]],
    terms: DriftTerms,
) -> tuple[AttributeDrift, ...]:
    """The drift of every attribute of the baseline: the score first, then the largest."""
    found = [
        attribute_drift(name, values, current.get(name, ()), terms)
        for name, values in baseline.items()
    ]
    found.sort(key=lambda drift: (drift.attribute != SCORE, -drift.value, drift.attribute))
    return tuple(found)


_Label = tuple[int, str]
"""The place of a bin in the order, and its name."""


def _binning(baseline: Sequence[Value]) -> Callable[[Value], _Label]:
    """The bin of a value, by bins that the baseline gives."""
    known = [value for value in baseline if value is not None]
    numbers = [value for value in known if isinstance(value, float)]
    if len(set(numbers)) > 1 and len(numbers) == len(known):
        return _tenths(sorted(numbers))
    # One number alone is a category: tenths of it would hold every other number too.
    frequent = Counter(map(_named, known)).most_common(_MOST_CATEGORIES)
    names = {name for name, _ in frequent}

    def category(value: Value) -> _Label:
        if value is None:
            return 2, MISSING
        return (0, _named(value)) if _named(value) in names else (1, OTHER)

    return category


def _named(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def _tenths(numbers: Sequence[float]) -> Callable[[Value], _Label]:
    """Bins with about a tenth of the numbers each; equal numbers stay together.

    A new bin begins at each bound. Few different numbers, such as counts, give fewer bins.
    """
    bounds = sorted({numbers[len(numbers) * tenth // _TENTHS] for tenth in range(1, _TENTHS)})
    if bounds[0] == numbers[0]:
        # The lowest number alone fills a tenth: the bin above it begins at the next one.
        above = bisect_right(numbers, numbers[0])
        bounds = sorted({*bounds[1:], *numbers[above : above + 1]})
    ends = [-math.inf, *bounds, math.inf]

    def tenth(value: Value) -> _Label:
        if not isinstance(value, float):
            return (len(ends), MISSING) if value is None else (len(ends) + 1, OTHER)
        place = bisect_right(bounds, value)
        return place, _range(ends[place], ends[place + 1])

    return tenth


def _range(low: float, high: float) -> str:
    if low == -math.inf:
        return f"below {high:g}"
    return f"from {low:g}" if high == math.inf else f"{low:g} to {high:g}"


def _by_chance(bins: int, before: int, after: int) -> float:
    """Twice the Kullback-Leibler divergence of two samples of one distribution, to first order."""
    return round((bins - 1) * (1 / before + 1 / after), 6) if before and after else 0.0


def _level(value: float, fewest: int, terms: DriftTerms) -> DriftLevel:
    if fewest < terms.min_n:
        return DriftLevel.NOT_JUDGED
    if value >= terms.act_from:
        return DriftLevel.ACT
    return DriftLevel.WATCH if value >= terms.watch_from else DriftLevel.STABLE


def _share(count: int, total: int) -> float:
    return round(count / total, 6) if total else 0.0
