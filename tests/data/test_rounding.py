"""Amounts, rates and scores are rounded by one function for each quantity."""

from __future__ import annotations

from decimal import Decimal

import pytest

from data.rounding import (
    cents,
    cents_down,
    cents_up,
    four_places,
    match_score,
    rate,
    ratio,
    whole_steps,
)


@pytest.mark.parametrize(
    ("amount", "half_up", "down", "up"),
    [
        ("1.005", "1.01", "1.00", "1.01"),
        ("1.0049", "1.00", "1.00", "1.01"),
        ("2", "2.00", "2.00", "2.00"),
        ("-1.005", "-1.01", "-1.01", "-1.01"),
    ],
)
def test_an_amount_is_rounded_to_the_cent(amount: str, half_up: str, down: str, up: str) -> None:
    rounded = [function(Decimal(amount)) for function in (cents, cents_down, cents_up)]

    assert [str(value) for value in rounded] == [half_up, down, up]


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(Decimal("0.1234565"), "0.123457"), (Decimal("0.1"), "0.100000"), (0.5, "0.500000")],
)
def test_a_rate_has_six_places(value: Decimal | float, rounded: str) -> None:
    assert str(rate(value)) == rounded


def test_a_ratio_is_a_rate() -> None:
    assert str(ratio(Decimal(1900), Decimal(5200))) == "0.365385"


@pytest.mark.parametrize(
    ("value", "rounded"), [(Decimal("0.00005"), "0.0001"), (599.25, "599.2500")]
)
def test_points_have_four_places(value: Decimal | float, rounded: str) -> None:
    assert str(four_places(value)) == rounded


@pytest.mark.parametrize(("score", "rounded"), [(100, "100"), (85.0, "85.0"), (90.909090, "90.91")])
def test_a_match_score_has_at_most_two_places(score: float, rounded: str) -> None:
    assert str(match_score(score)) == rounded


@pytest.mark.parametrize(("amount", "steps"), [("12526.78", 125), ("12500", 125), ("99.99", 0)])
def test_only_whole_steps_count(amount: str, steps: int) -> None:
    assert whole_steps(Decimal(amount), Decimal(100)) == steps
