"""Calibration: whether as many loans went bad as their probabilities of default said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from data.contracts.drift import Calibration, CalibrationBand, DriftLevel, DriftTerms
from tools.intervals import wilson

Forecast = tuple[float, bool]
"""A probability of default, and whether the loan went bad."""

_BANDS = 10


def calibration_of(forecasts: Sequence[Forecast], terms: DriftTerms) -> Calibration:
    """Forecasts against what came true, in total and by tenths.

    The test takes the number of bad loans as normal around the sum of the forecasts, with the sum
    of p (1 - p) as its variance: loans go bad independently of each other.
    """
    expected = math.fsum(pd for pd, _ in forecasts)
    variance = math.fsum(pd * (1 - pd) for pd, _ in forecasts)
    bad = sum(is_bad for _, is_bad in forecasts)
    p_value = math.erfc(abs(bad - expected) / math.sqrt(2 * variance)) if variance else None
    squares = math.fsum((pd - is_bad) ** 2 for pd, is_bad in forecasts)
    return Calibration(
        n=len(forecasts),
        bad=bad,
        expected_bad=round(expected, 6),
        ratio=round(bad / expected, 6) if expected else None,
        p_value=None if p_value is None else round(p_value, 6),
        brier=round(squares / len(forecasts), 6) if forecasts else None,
        level=_level(len(forecasts), p_value, terms),
        bands=tuple(_bands(sorted(forecasts))),
    )


def _level(n: int, p_value: float | None, terms: DriftTerms) -> DriftLevel:
    if n < terms.min_n or p_value is None:
        return DriftLevel.NOT_JUDGED
    return DriftLevel.ACT if p_value < terms.significance else DriftLevel.STABLE


def _bands(ordered: Sequence[Forecast]) -> Iterator[CalibrationBand]:
    for tenth in range(_BANDS):
        first, last = (len(ordered) * at // _BANDS for at in (tenth, tenth + 1))
        if band := ordered[first:last]:
            n, bad = len(band), sum(is_bad for _, is_bad in band)
            low, high = wilson(bad, n)
            yield CalibrationBand(
                lowest=band[0][0],
                highest=band[-1][0],
                n=n,
                bad=bad,
                forecast=round(math.fsum(pd for pd, _ in band) / n, 6),
                observed=round(bad / n, 6),
                interval_low=round(low, 6),
                interval_high=round(high, 6),
            )
