"""How probabilities are combined and graded."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.decision import Grade
from data.contracts.errors import RecordCorruptError, ToolError
from data.contracts.findings import KeyFactor, MemberFinding
from data.contracts.policy import ReasonCode
from data.settings import Settings
from tools.ensemble import (
    blended_factors,
    combine_probabilities,
    expected_loss,
    grade_of,
    load_ensemble,
)

DATA = Settings().data_dir
ENSEMBLE = load_ensemble(DATA)


@pytest.mark.parametrize(
    ("pd", "grade"),
    [
        ("0.014999", Grade.A),
        ("0.015", Grade.B),
        ("0.029999", Grade.B),
        ("0.03", Grade.C),
        ("0.05", Grade.D),
        ("0.08", Grade.E),
        ("0.119999", Grade.E),
        ("0.12", Grade.F),
        ("0.9", Grade.F),
    ],
)
def test_a_bound_belongs_to_the_worse_grade(pd: str, grade: Grade) -> None:
    assert grade_of(Decimal(pd), ENSEMBLE) is grade


def test_members_are_combined_by_the_mean_of_their_log_odds() -> None:
    # Odds of 1:9 and 1:99 have the geometric mean 1:29.8496, which is 3.2415 %.
    combined = combine_probabilities([Decimal("0.1"), Decimal("0.01")], ENSEMBLE)

    assert combined.pd == Decimal("0.032415")
    assert combined.grade is Grade.C
    assert combined.disagreement == Decimal("2.397895")  # ln 11


def test_a_single_member_cannot_disagree() -> None:
    combined = combine_probabilities([Decimal("0.02")], ENSEMBLE)

    assert combined.pd == Decimal("0.02")
    assert combined.disagreement is None


@given(st.lists(st.decimals("0.001", "0.999", places=3), min_size=2, max_size=5))
def test_the_combined_probability_lies_between_its_members(pds: list[Decimal]) -> None:
    combined = combine_probabilities(pds, ENSEMBLE)

    assert min(pds) - Decimal("0.000001") <= combined.pd <= max(pds) + Decimal("0.000001")


@pytest.mark.parametrize("pds", [[], ["0"], ["1"], ["0.1", "1.2"], ["-0.1"]])
def test_values_that_are_no_probability_are_refused(pds: list[str]) -> None:
    with pytest.raises(ToolError, match="strictly between"):
        combine_probabilities([Decimal(pd) for pd in pds], ENSEMBLE)


def test_expected_loss_is_probability_times_severity_times_amount() -> None:
    assert expected_loss(Decimal("0.05"), Decimal(15000), ENSEMBLE) == Decimal("450.00")


@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        ([0.015, 0.01, 0.05, 0.08, 0.12, None], "overlap"),
        ([0.015, 0.03, 0.05, 0.08, 0.12, 0.2], "last band"),
        ([0.015, None, 0.05, 0.08, 0.12, None], "last band"),
    ],
)
def test_bands_with_a_gap_or_an_overlap_are_refused(
    tmp_path: Path, bounds: list[float | None], why: str
) -> None:
    shipped = json.loads((DATA / "models" / "ensemble-v1.json").read_text())
    for band, bound in zip(shipped["bands"], bounds, strict=True):
        band["pd_below"] = bound
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ensemble-v1.json").write_text(json.dumps(shipped))

    with pytest.raises(RecordCorruptError, match=why):
        load_ensemble(tmp_path)


def test_every_grade_needs_a_band(tmp_path: Path) -> None:
    shipped = json.loads((DATA / "models" / "ensemble-v1.json").read_text())
    del shipped["bands"][2]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ensemble-v1.json").write_text(json.dumps(shipped))

    with pytest.raises(RecordCorruptError, match="every grade"):
        load_ensemble(tmp_path)


def _member(pdo: str, **lost: str) -> MemberFinding:
    codes = {"inquiries": ReasonCode.RECENT_INQUIRIES, "late": ReasonCode.DELINQUENT_OBLIGATIONS}
    return MemberFinding(
        agent="credit_risk",
        agent_version="1",
        model="card",
        model_version="1",
        pd=Decimal("0.2"),
        score=Decimal(500),
        pdo=Decimal(pdo),
        top_factors=tuple(
            KeyFactor(attribute=name, code=codes[name], points_lost=Decimal(points))
            for name, points in lost.items()
        ),
    )


def test_the_factors_of_the_blend_come_from_both_members() -> None:
    first, second = _member("20", inquiries="12"), _member("20", late="30", inquiries="4")

    factors = blended_factors([first, second])

    assert [(factor.attribute, factor.points_lost) for factor in factors] == [
        ("late", Decimal(15)),
        ("inquiries", Decimal(8)),
    ]


def test_points_of_cards_with_another_scale_are_made_comparable() -> None:
    first, second = _member("20", inquiries="12"), _member("40", late="30")

    late, inquiries = blended_factors([first, second])

    assert (late.points_lost, inquiries.points_lost) == (Decimal("7.5"), Decimal(6))
