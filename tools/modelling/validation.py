"""Cross-validation: every row is judged by a model that has not seen it."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, pstdev
from typing import TypeVar

from data.contracts.base import Contract
from tools.modelling.boosting import fit_challenger
from tools.modelling.drift import stability_index
from tools.modelling.evaluate import (
    blend_log_odds,
    challenger_log_odds,
    probability,
    scorecard_log_odds,
)
from tools.modelling.fit import Sample, Wanted, fit_scorecard, provenance_of

FOLDS = 5
_DIGITS = 6
_Item = TypeVar("_Item")


class Figures(Contract):
    """The figures of one set of probabilities."""

    auc: float
    gini: float
    ks: float
    brier: float
    ece: float
    """Expected calibration error: the mean gap of the deciles."""


class Decile(Contract):
    """A tenth of the rows, from the lowest probability to the highest."""

    rows: int
    predicted: float
    observed: float
    fold_spread: float
    """The standard deviation of the observed share of bad between the folds."""


class Evidence(Contract):
    """What cross-validation says about one model."""

    overall: Figures
    folds: tuple[Figures, ...]
    deciles: tuple[Decile, ...]
    stability: float
    """PSI of the probabilities between the first and the second half of the file."""

    def spread(self, name: str) -> float:
        """The standard deviation of a figure between the folds."""
        return float(pstdev(getattr(fold, name) for fold in self.folds))


class Validation(Contract):
    """The evidence of every model, by its name."""

    seed: int
    fold_count: int
    models: dict[str, Evidence]


def cross_validate(sample: Sample, seed: int, *, with_challenger: bool) -> Validation:
    """Fit on four fifths and judge the last fifth, five times. The base rate is the data's own."""
    names = ("scorecard", "challenger", "blend") if with_challenger else ("scorecard",)
    judged: dict[str, list[float]] = {name: [0.0] * len(sample.bad) for name in names}
    folds = fold_of_rows(sample.bad, seed)
    for fold in range(FOLDS):
        seen = sample.part([at for at, of_row in enumerate(folds) if of_row != fold])
        unseen = [at for at, of_row in enumerate(folds) if of_row == fold]
        for judge, pds in zip(_judges(seen, seed, with_challenger), judged.values(), strict=True):
            for at in unseen:
                pds[at] = judge(sample.row(at))
    return Validation(
        seed=seed,
        fold_count=FOLDS,
        models={name: evidence_of(pds, sample.bad, folds) for name, pds in judged.items()},
    )


def fold_of_rows(bad: Sequence[bool], seed: int) -> list[int]:
    """The fold of each row. Every fold has the same share of bad rows."""
    folds = [0] * len(bad)
    for kind in (False, True):
        rows = [at for at, flag in enumerate(bad) if flag is kind]
        random.Random(f"{seed}/{kind}").shuffle(rows)  # noqa: S311, no secret
        for place, at in enumerate(rows):
            folds[at] = place % FOLDS
    return folds


def evidence_of(pds: Sequence[float], bad: Sequence[bool], folds: Sequence[int]) -> Evidence:
    """The figures over all rows and of each fold."""
    deciles = _deciles(pds, bad, folds)
    parts = [[at for at, of_row in enumerate(folds) if of_row == fold] for fold in range(FOLDS)]
    half = len(pds) // 2
    return Evidence(
        overall=figures_of(pds, bad),
        folds=tuple(figures_of([pds[at] for at in p], [bad[at] for at in p]) for p in parts),
        deciles=deciles,
        stability=population_stability(pds[:half], pds[half:]),
    )


def figures_of(pds: Sequence[float], bad: Sequence[bool]) -> Figures:
    """AUC, Gini, KS, Brier score and calibration error."""
    auc, ks = _ranking(pds, bad)
    ordered = sorted(zip(pds, bad, strict=True))
    gaps = [
        abs(math.fsum(pd for pd, _ in part) - sum(flag for _, flag in part))
        for part in _tenths(ordered)
    ]
    return Figures(
        auc=round(auc, _DIGITS),
        gini=round(2 * auc - 1, _DIGITS),
        ks=round(ks, _DIGITS),
        brier=round(fmean((pd - flag) ** 2 for pd, flag in zip(pds, bad, strict=True)), _DIGITS),
        ece=round(math.fsum(gaps) / len(pds), _DIGITS),
    )


def population_stability(expected: Sequence[float], actual: Sequence[float]) -> float:
    """The PSI over the deciles of `expected`. Half a row in each bin keeps it finite."""
    ordered = sorted(expected)
    cuts = [ordered[len(ordered) * part // 10] for part in range(1, 10)]
    return round(stability_index(_counts(cuts, expected), _counts(cuts, actual)), 6)


def _judges(
    seen: Sample, seed: int, with_challenger: bool
) -> list[Callable[[dict[str, str | None]], float]]:
    record = provenance_of(seen, Wanted(seen.target.name, seed=seed), {})
    card = fit_scorecard(seen, record)
    if not with_challenger:
        return [lambda row: probability(scorecard_log_odds(card, row))]
    other = fit_challenger(seen, record)
    return [
        lambda row: probability(scorecard_log_odds(card, row)),
        lambda row: probability(challenger_log_odds(other, row)),
        lambda row: probability(
            blend_log_odds(scorecard_log_odds(card, row), challenger_log_odds(other, row))
        ),
    ]


def _ranking(pds: Sequence[float], bad: Sequence[bool]) -> tuple[float, float]:
    """AUC with ties counted half, and the largest gap of the two distributions."""
    ordered = sorted(zip(pds, bad, strict=True))
    edges = [0, *(at for at in range(1, len(ordered)) if ordered[at][0] != ordered[at - 1][0])]
    total_bad = sum(bad)
    total_good = len(bad) - total_bad
    goods = bads = 0
    area, gap = 0.0, 0.0
    for start, end in pairwise([*edges, len(ordered)]):
        more_bad = sum(flag for _, flag in ordered[start:end])
        more_good = end - start - more_bad
        area += more_bad * (goods + more_good / 2)
        goods, bads = goods + more_good, bads + more_bad
        gap = max(gap, abs(goods / total_good - bads / total_bad))
    return area / (total_good * total_bad), gap


def _deciles(pds: Sequence[float], bad: Sequence[bool], folds: Sequence[int]) -> tuple[Decile, ...]:
    ordered = sorted(zip(pds, bad, folds, strict=True))
    return tuple(_decile(part) for part in _tenths(ordered) if part)


def _decile(part: Sequence[tuple[float, bool, int]]) -> Decile:
    by_fold = [[flag for _, flag, of_row in part if of_row == fold] for fold in range(FOLDS)]
    return Decile(
        rows=len(part),
        predicted=round(fmean(pd for pd, _, _ in part), _DIGITS),
        observed=round(fmean(flag for _, flag, _ in part), _DIGITS),
        fold_spread=round(pstdev(fmean(flags) for flags in by_fold if flags), _DIGITS),
    )


def _tenths(ordered: Sequence[_Item]) -> list[Sequence[_Item]]:
    cuts = [len(ordered) * part // 10 for part in range(11)]
    return [ordered[low:high] for low, high in pairwise(cuts)]


def _counts(cuts: Sequence[float], values: Sequence[float]) -> list[float]:
    counts = [0.5] * (len(cuts) + 1)
    for value in values:
        counts[bisect.bisect_right(cuts, value)] += 1
    return counts
