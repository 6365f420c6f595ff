"""A scorecard's points and reasons, and values that it refuses to score."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from data.contracts.errors import RecordCorruptError, ToolError
from data.contracts.policy import ReasonCode
from data.contracts.scorecard import Scorecard
from data.settings import Settings
from tools.scorecard import load_challenger, load_scorecard, pd_of, score_applicant

MODELS = Settings().data_dir / "models"


def _card(**changes: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "version": "1",
        "provenance": "made for a test",
        "target": "default",
        "pdo": 20,
        "base_score": 600,
        "base_odds": 50,
        "base_points": 500,
        "attributes": [
            {
                "name": "utilization_revolving",
                "reason": "R99_REVOLVING_UTILIZATION_HIGH",
                "missing": 5,
                "bins": [{"below": 0.5, "points": 30}, {"points": -10}],
            },
            {
                "name": "housing",
                "reason": "R13",
                "missing": 0,
                "bins": [
                    {"values": ["own"], "points": 20},
                    {"values": ["rent", "family"], "points": 12},
                ],
            },
        ],
    } | changes


@pytest.fixture
def card() -> Scorecard:
    return Scorecard.model_validate(_card())


@pytest.mark.parametrize(
    ("pd", "score"), [(0.01, 619.7), (0.02, 599.4), (0.05, 572.1), (0.10, 550.5), (0.20, 527.1)]
)
def test_a_score_stands_for_its_probability(card: Scorecard, pd: float, score: float) -> None:
    assert math.isclose(pd_of(score, card), pd, rel_tol=2e-3)


def test_twenty_points_double_the_odds(card: Scorecard) -> None:
    def odds(score: float) -> float:
        pd = pd_of(score, card)
        return (1 - pd) / pd

    assert math.isclose(odds(600), 50)
    assert math.isclose(odds(620), 100)


def test_the_score_is_the_sum_of_the_points(card: Scorecard) -> None:
    scored = score_applicant(card, {"utilization_revolving": 0.2, "housing": "rent"})

    assert scored.score == 500 + 30 + 12


def test_a_bound_belongs_to_the_bin_above_it(card: Scorecard) -> None:
    assert score_applicant(card, {"utilization_revolving": 0.5, "housing": "own"}).score == 510


def test_a_value_that_is_not_known_takes_the_missing_bin(card: Scorecard) -> None:
    assert score_applicant(card, {"utilization_revolving": None, "housing": "own"}).score == 525


def test_factors_are_ranked_by_the_points_they_cost(card: Scorecard) -> None:
    scored = score_applicant(card, {"utilization_revolving": 0.9, "housing": "rent"})

    assert [(factor.attribute, factor.points_lost) for factor in scored.factors] == [
        ("utilization_revolving", 40),
        ("housing", 8),
    ]
    assert scored.factors[0].reason is ReasonCode("R99_REVOLVING_UTILIZATION_HIGH")


def test_an_attribute_in_its_best_bin_is_no_factor(card: Scorecard) -> None:
    assert score_applicant(card, {"utilization_revolving": 0.1, "housing": "own"}).factors == ()


@pytest.mark.parametrize(
    "values",
    [
        {"utilization_revolving": 0.1},
        {"utilization_revolving": math.nan, "housing": "own"},
        {"utilization_revolving": math.inf, "housing": "own"},
        {"utilization_revolving": "0.1", "housing": "own"},
        {"utilization_revolving": True, "housing": "own"},
        {"utilization_revolving": 0.1, "housing": "houseboat"},
        {"utilization_revolving": 0.1, "housing": 1},
    ],
)
def test_a_value_without_a_bin_is_not_scored(card: Scorecard, values: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match="attribute") as refused:
        score_applicant(card, values)

    assert "houseboat" not in str(refused.value)


def _broken(**changes: Any) -> list[dict[str, Any]]:
    return [_card()["attributes"][0] | changes]


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        (_broken(bins=[{"below": 0.5, "points": 1}, {"below": 0.4, "points": 2}, {"points": 3}]),
         "overlap"),
        (_broken(bins=[{"below": 0.5, "points": 1}]), "last bin"),
        (_broken(bins=[{"points": 1}, {"points": 2}]), "last bin"),
        (_broken(bins=[{"values": ["a"], "points": 1}, {"values": ["a"], "points": 2}]),
         "overlap"),
        (_broken(bins=[{"values": ["a"], "points": 1}, {"points": 2}]), "categor"),
        (_broken(reason="X_FRAUD_SUSPECTED"), "may not be printed"),
        (_broken() * 2, "twice"),
    ],
)  # fmt: skip
def test_a_card_that_is_ambiguous_is_refused_at_load(
    tmp_path: Path, attributes: list[dict[str, Any]], why: str
) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(_card(attributes=attributes)))

    with pytest.raises(RecordCorruptError, match=why):
        load_scorecard(path)


def test_a_card_without_a_reason_is_refused_at_load(tmp_path: Path) -> None:
    card = _card()
    del card["attributes"][0]["reason"]
    (tmp_path / "card.json").write_text(json.dumps(card))

    with pytest.raises(RecordCorruptError, match="/attributes/0/reason"):
        load_scorecard(tmp_path / "card.json")


@pytest.mark.parametrize("name", ["scorecard-v1.json", "challenger-v1.json"])
def test_the_shipped_cards_say_that_they_were_not_fitted(name: str) -> None:
    assert "not fitted" in load_scorecard(MODELS / name).provenance


@pytest.mark.parametrize("name", ["scorecard-v2.json", "challenger-v2.json"])
def test_the_shipped_models_name_their_data_and_its_licence(name: str) -> None:
    card = load_challenger(MODELS / name)

    for told in ("taiwan_card_default_train.csv", "no. 350", "Yeh", "CC BY 4.0", "3.00%"):
        assert told in card.provenance
    assert all(found.expert for found in card.overlay)


@pytest.mark.parametrize(
    "name",
    ["scorecard-v1.json", "challenger-v1.json", "scorecard-v2.json", "challenger-v2.json"],
)
def test_a_spotless_file_is_a_low_risk_on_the_shipped_cards(name: str) -> None:
    spotless = {
        "worst_dpd_12m": 0,
        "worst_dpd_24m": 0,
        "months_since_delinquency": None,
        "current_dpd_class": 0,
        "worst_dpd_class_6m": 0,
        "months_since_30_dpd_6m": 6,
        "months_30_dpd_6m": 0,
        "months_60_dpd_6m": 0,
        "older_dpd_class_24m": 0,
        "utilization_revolving": 0.02,
        "inquiries_6m": 0,
        "oldest_trade_months": 150,
        "trades_open": 6,
        "thin_file": False,
        "collections_open_amount": 0,
        "public_record_24m": 0,
        "authorized_user_share": 0.0,
    }

    scored = score_applicant(load_challenger(MODELS / name), spotless)

    assert scored.pd < 0.015
    assert scored.factors == ()
