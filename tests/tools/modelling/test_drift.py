"""The population stability index: its formula, chance, and the bins that the baseline gives."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from data.contracts.drift import DriftLevel, DriftTerms
from tools.intervals import wilson
from tools.modelling.calibration import calibration_of
from tools.modelling.drift import Value, attribute_drift, drifts, stability_index

TERMS = DriftTerms()


def test_the_index_is_the_symmetric_divergence_of_the_shares() -> None:
    before, after = [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]

    expected = stats.entropy(after, before) + stats.entropy(before, after)

    assert stability_index([100, 200, 700], [30, 30, 40]) == pytest.approx(expected)
    assert stability_index([5, 5], [500, 500]) == 0
    assert stability_index([5, 5], []) == stability_index([0], [3]) == 0


def test_an_empty_bin_counts_as_half_a_case() -> None:
    expected = (0.5 / 100 - 0.5) * math.log((0.5 / 100) / 0.5) + (1 - 0.5) * math.log(1 / 0.5)

    assert stability_index([50, 50], [0, 100]) == pytest.approx(expected)


def test_a_number_falls_into_tenths_of_the_baseline() -> None:
    baseline = [float(number) for number in range(1_000)]
    same = attribute_drift("pd", baseline, list(reversed(baseline)), TERMS)
    moved = attribute_drift("pd", baseline, [number + 200 for number in baseline], TERMS)

    assert (same.index, same.value, same.level) == ("psi", 0, DriftLevel.STABLE)
    assert [found.baseline for found in same.bins] == [0.1] * 10
    assert same.bins[0].bin == "below 100"
    assert moved.level is DriftLevel.ACT
    assert (moved.bins[0].current, moved.bins[-1].current) == (0, 0.3)


def test_few_different_numbers_and_missing_ones_have_bins_of_their_own() -> None:
    baseline = [0.0] * 80 + [1.0] * 15 + [2.0] * 5
    found = attribute_drift("inquiries", baseline, [*([0.0] * 50), *([None] * 50)], TERMS)

    assert [(part.bin, part.baseline, part.current) for part in found.bins] == [
        ("below 1", 0.8, 0.5),
        ("from 1", 0.2, 0.0),
        ("not known", 0.0, 0.5),
    ]


def test_a_number_that_never_changed_before_is_seen_to_change() -> None:
    constant = attribute_drift("flag", [3.0] * 200, [3.0] * 200, TERMS)
    moved = attribute_drift("flag", [3.0] * 200, [3.0] * 100 + [4.0] * 100, TERMS)

    assert (len(constant.bins), constant.value) == (1, 0)
    assert [(part.bin, part.current) for part in moved.bins] == [("3", 0.5), ("other", 0.5)]
    assert moved.level is DriftLevel.ACT


def test_a_category_that_is_new_falls_into_a_bin_of_its_own() -> None:
    found = attribute_drift("state", ["IL"] * 90 + ["TX"] * 60, ["IL"] * 90 + ["ZZ"] * 60, TERMS)

    assert [part.bin for part in found.bins] == ["IL", "TX", "other"]
    assert found.level is DriftLevel.ACT


def test_two_samples_of_one_distribution_have_the_index_of_chance() -> None:
    chance = random.Random(4)
    values = []
    for _ in range(40):
        samples = [[chance.gauss(0, 1) for _ in range(size)] for size in (2_000, 500)]
        drift = attribute_drift("x", samples[0], samples[1], TERMS)
        values.append(drift.value)

    assert drift.by_chance == pytest.approx(9 * (1 / 2_000 + 1 / 500))
    assert sum(values) / 40 == pytest.approx(drift.by_chance, rel=0.25)


def test_the_score_stands_first_and_small_periods_are_not_judged() -> None:
    baseline: dict[str, list[Value]] = {
        "a": [1.0, 2.0] * 100,
        "b": ["x"] * 200,
        "pd": [0.1, 0.2] * 100,
    }
    current: dict[str, list[Value]] = {"a": [2.0] * 99, "b": ["x"] * 99, "pd": [0.1, 0.2] * 49}

    found = drifts(baseline, current, TERMS)

    assert [drift.attribute for drift in found] == ["pd", "a", "b"]
    assert {drift.level for drift in found} == {DriftLevel.NOT_JUDGED}
    assert drifts(baseline, {}, TERMS)[0].value == 0


def test_forecasts_that_come_true_are_calibrated_and_others_are_not() -> None:
    chance = random.Random(9)
    pds = [chance.uniform(0.01, 0.3) for _ in range(5_000)]
    true = [(pd, chance.random() < pd) for pd in pds]
    doubled = [(pd, chance.random() < 1.5 * pd) for pd in pds]

    good, bad = calibration_of(true, TERMS), calibration_of(doubled, TERMS)

    assert (good.level, bad.level) == (DriftLevel.STABLE, DriftLevel.ACT)
    assert good.ratio == pytest.approx(1, abs=0.1)
    assert bad.ratio == pytest.approx(1.5, abs=0.15)
    assert sum(band.n for band in good.bands) == 5_000
    assert sum(band.bad for band in good.bands) == good.bad
    expected = sum((pd - came) ** 2 for pd, came in true) / 5_000
    assert good.brier == pytest.approx(expected, abs=1e-6)


def test_the_interval_of_a_rate_is_that_of_wilson() -> None:
    for hits, n in ((0, 10), (3, 40), (40, 40)):
        oracle = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits, n) == pytest.approx((oracle.low, oracle.high))


def test_without_matured_loans_nothing_is_judged() -> None:
    nothing = calibration_of([], TERMS)

    assert (nothing.n, nothing.ratio, nothing.level) == (0, None, DriftLevel.NOT_JUDGED)
    assert calibration_of([(0.0, False)], TERMS).p_value is None
