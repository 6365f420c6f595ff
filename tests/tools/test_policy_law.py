"""Attributes that the law forbids or binds to a condition, in scorecards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.contracts.errors import PolicyRefusedError
from data.settings import Settings
from tools.policy_law import Ground, ground_against
from tools.scorecard import load_scorecard

MODELS = Settings().data_dir / "models"
SIGNED = {"by": "Fair-lending officer", "on": "2026-10-01", "grounds": "No proxy: report 7."}


@pytest.mark.parametrize(
    ("name", "ground"),
    [
        ("sex", Ground.PROHIBITED),
        ("SEX", Ground.PROHIBITED),
        ("MARRIAGE", Ground.PROHIBITED),
        ("maritalStatus", Ground.PROHIBITED),
        ("national_origin", Ground.PROHIBITED),
        ("receives_public_assistance", Ground.PROHIBITED),
        ("foreign", Ground.PROHIBITED),
        ("is_foreign", Ground.PROHIBITED),
        ("foreigner", Ground.PROHIBITED),
        ("alien_status", Ground.PROHIBITED),
        ("residency_status", Ground.PROHIBITED),
        ("visa_type", Ground.PROHIBITED),
        ("green_card", Ground.PROHIBITED),
        ("hispanic", Ground.PROHIBITED),
        ("civil_status", Ground.PROHIBITED),
        ("mother_tongue", Ground.PROHIBITED),
        ("faith", Ground.PROHIBITED),
        ("food_stamps", Ground.PROHIBITED),
        ("ssi", Ground.PROHIBITED),
        ("benefits_recipient", Ground.PROHIBITED),
        ("geschlecht", Ground.PROHIBITED),
        ("familienstand", Ground.PROHIBITED),
        ("staatsangehoerigkeit", Ground.PROHIBITED),
        ("Staatsangehörigkeit", Ground.PROHIBITED),
        ("STAATSANGEHÖRIGKEIT", Ground.PROHIBITED),
        ("country_of_birth", Ground.PROHIBITED),
        ("birth_country", Ground.PROHIBITED),
        ("placeOfBirth", Ground.PROHIBITED),
        ("Staatsangeho\u0308rigkeit", Ground.PROHIBITED),
        ("AGE", Ground.AGE),
        ("average_age_of_applicants", Ground.AGE),
        ("loan_birth_date", Ground.AGE),
        ("average_age", None),
        ("mortgage_age", None),
        ("oldest_age", None),
        ("loan_age_months", None),
        ("residence_type", None),
        ("bureau_status", None),
        ("visa_balance", None),
        ("youngest_age", Ground.AGE),
        ("applicantAge", Ground.AGE),
        ("zip3_default_rate", Ground.PLACE),
        ("census_tract", Ground.PLACE),
        ("bureau_report_age_days", None),
        ("email_age_days", None),
        ("age_of_oldest_account", None),
        ("years_below_capacity", None),
        ("utilization_revolving", None),
        ("percentage_used", None),
    ],
)
def test_a_name_says_why_the_law_looks_at_it(name: str, ground: Ground | None) -> None:
    assert ground_against(name) is ground


def card_with(folder: Path, **attribute: Any) -> Path:
    """The shipped card with one more attribute."""
    card = json.loads((MODELS / "scorecard-v1.json").read_text())
    bins = [{"below": 30, "points": 5}, {"points": 9}]
    card["attributes"].append({"reason": "R15", "missing": 0, "bins": bins} | attribute)
    path = folder / "card.json"
    path.write_text(json.dumps(card))
    return path


def ages(*points: float) -> list[dict[str, float]]:
    """Bins that begin at 0, 30 and 62."""
    return [
        {"below": 30, "points": points[0]},
        {"below": 62, "points": points[1]},
        {"points": points[2]},
    ]


@pytest.mark.parametrize(
    ("attribute", "field"),
    [
        ({"name": "sex"}, "name"),
        ({"name": "marital_status"}, "name"),
        ({"name": "zip3"}, "sign_off"),
        ({"name": "age", "bins": ages(1, 9, 8)}, "bins"),
        ({"name": "age", "bins": [{"below": 55, "points": 9}, {"points": 8}]}, "bins"),
        ({"name": "age", "bins": ages(1, 8, 9), "missing": 10}, "bins"),
        ({"name": "age_group", "bins": [{"values": ["old"], "points": 9}]}, "bins"),
        ({"name": "trades_paid", "reason": "R99"}, "reason"),
    ],
)
def test_a_card_that_the_law_forbids_is_refused_with_attribute_and_field(
    tmp_path: Path, attribute: dict[str, Any], field: str
) -> None:
    with pytest.raises(PolicyRefusedError) as refused:
        load_scorecard(card_with(tmp_path, **attribute))

    (problem,) = refused.value.problems
    assert (refused.value.file, problem.rule, problem.field) == (
        "card.json",
        attribute["name"],
        field,
    )


@pytest.mark.parametrize(
    "attribute",
    [
        {"name": "age", "bins": ages(1, 8, 9)},
        {"name": "zip3", "sign_off": SIGNED},
        {"name": "email_age_days"},
    ],
)
def test_a_card_that_the_law_allows_is_read(tmp_path: Path, attribute: dict[str, Any]) -> None:
    assert load_scorecard(card_with(tmp_path, **attribute)).attributes[-1].name == attribute["name"]
