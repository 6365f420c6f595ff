"""A scorecard is fitted on any CSV with a binary target, and uses nothing that it may not use."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.contracts.errors import ContractViolationError
from data.contracts.fitted import FittedScorecard
from tests.tools.modelling.tables import HEADER, lines, table
from tools.modelling.binning import bin_column
from tools.modelling.evaluate import bin_of, probability, score_of, scorecard_log_odds
from tools.modelling.fit import Wanted, fit_scorecard, provenance_of, take_sample
from tools.modelling.model_files import read_scorecard
from tools.modelling.roles import Role
from tools.modelling.score import score_table
from tools.modelling.session import fit_model
from tools.modelling.table import Table

pytest.importorskip("numpy")
WANTED = Wanted("answer")


def fitted(rows: Table, wanted: Wanted = WANTED) -> FittedScorecard:
    sample = take_sample(rows, wanted)
    return fit_scorecard(sample, provenance_of(sample, wanted, {}))


def test_prohibited_columns_keys_and_dates_are_left_out_with_the_reason(tmp_path: Path) -> None:
    card = fitted(table(tmp_path))

    why = {column.name: column.why for column in card.provenance.left_out}
    assert {attribute.name for attribute in card.attributes} == {"debt", "late", "purpose"}
    assert set(why) == {"key", "sex", "ForeignWorker", "seen"}
    assert why["key"] == "a unique key"
    assert "prohibited" in why["ForeignWorker"]


@pytest.mark.parametrize(
    "name",
    ["sex", "Nationality", "citizenship", "FOREIGN_WORKER", "is_foreign_worker", "Personal status"],
)
@pytest.mark.parametrize("way", ["feature", "role"])
def test_a_prohibited_column_that_is_asked_for_is_an_error(
    tmp_path: Path, name: str, way: str
) -> None:
    made = [lines()[0].replace("sex", name), *lines()[1:]]
    wanted = (
        Wanted("answer", features=[name])
        if way == "feature"
        else Wanted("answer", roles={name: Role(direction="rising")})
    )

    with pytest.raises(ContractViolationError, match="may not be a feature"):
        take_sample(table(tmp_path, made), wanted)


@pytest.mark.parametrize("wanted", [{"features": ["key", "debt"]}, {"roles": {"key": Role()}}])
def test_a_key_that_is_asked_for_is_an_error(tmp_path: Path, wanted: dict[str, Any]) -> None:
    with pytest.raises(ContractViolationError, match="'key' may not be a feature: a unique key"):
        take_sample(table(tmp_path), Wanted("answer", **wanted))


@pytest.mark.parametrize(
    "cell_of",
    [
        pytest.param(lambda at: f"{1000 + at * 7}", id="whole"),
        pytest.param(lambda at: f"{at}.25", id="continuous"),
        pytest.param(lambda at: f"{at}.25" if at else "unknown", id="one-text"),
    ],
)
def test_amounts_that_all_differ_are_no_key(tmp_path: Path, cell_of: Callable[[int], str]) -> None:
    rows = table(tmp_path, _with_column("income", cell_of))

    sample = take_sample(rows, Wanted("answer", features=["income"]))

    assert [column.name for column in sample.choice.chosen] == ["income"]


@pytest.mark.parametrize("pair", [("+", "-"), ("1", "2"), ("no", "yes"), ("good", "bad")])
def test_other_encodings_of_bad_give_the_same_card(tmp_path: Path, pair: tuple[str, str]) -> None:
    plain = fitted(table(tmp_path))

    other = fitted(table(tmp_path, lines(good_and_bad=pair), "other.csv"))

    assert other.provenance.bad_value == pair[1]
    assert other.attributes == plain.attributes


def test_a_pair_that_says_nothing_is_guessed_and_can_be_turned_round(tmp_path: Path) -> None:
    rows = table(tmp_path, lines(good_and_bad=("kept", "Lost")))

    guessed = take_sample(rows, WANTED).target
    turned = take_sample(rows, Wanted("answer", bad_value="KEPT")).target

    assert guessed.bad_value == "lost"
    assert "a guess: the rarer value" in guessed.remark
    assert guessed.remark.endswith("--bad=kept")
    assert turned.bad == [not is_bad for is_bad in guessed.bad]
    with pytest.raises(ContractViolationError, match="give 'kept' or 'lost'"):
        take_sample(rows, Wanted("answer", bad_value="gone"))


def test_a_third_value_of_the_target_is_named_with_its_rows(tmp_path: Path) -> None:
    made = lines()
    made[5] = made[5].rsplit(",", 1)[0] + ",Current"

    with pytest.raises(ContractViolationError, match=r"3 different values .*'current' in 1 rows"):
        take_sample(table(tmp_path, made), WANTED)


def test_the_mean_probability_is_the_share_of_bad_and_a_base_rate_moves_it(tmp_path: Path) -> None:
    rows = table(tmp_path)
    card, shifted = fitted(rows), fitted(rows, Wanted("answer", base_rate=0.03))
    seen = [{name: cells[at] for name, cells in rows.columns.items()} for at in range(rows.rows)]

    pds = [probability(scorecard_log_odds(card, row)) for row in seen]
    share = card.provenance.bad_rows / card.provenance.rows
    assert math.fsum(pds) / len(pds) == pytest.approx(share, abs=1e-6)
    moved = scorecard_log_odds(shifted, seen[0]) - scorecard_log_odds(card, seen[0])
    assert moved == pytest.approx(math.log(0.03 / 0.97) - math.log(share / (1 - share)))
    assert shifted.provenance.shift == pytest.approx(moved)


def test_the_points_add_up_to_the_score(tmp_path: Path) -> None:
    rows = table(tmp_path)
    card = fitted(rows)

    for at in range(50):
        row = {name: cells[at] for name, cells in rows.columns.items()}
        points = sum(bin_of(part, row[part.name]).points for part in card.attributes)
        assert points == pytest.approx(score_of(card, scorecard_log_odds(card, row)), abs=1e-4)


@pytest.mark.parametrize(("direction", "sign"), [("rising", -1), ("falling", 1)])
def test_the_bins_keep_the_direction_of_the_role(tmp_path: Path, direction: str, sign: int) -> None:
    role = Role.model_validate({"direction": direction})
    sample = take_sample(table(tmp_path), Wanted("answer", roles={"late": role}))
    column = next(part for part in sample.choice.chosen if part.name == "late")
    bins = bin_column(column, sample.table.columns["late"], sample.bad).bins

    woes = [part.woe * sign for part in bins]
    assert woes == sorted(woes)
    assert len(bins) == (1 if direction == "falling" else 4)


def test_a_column_that_the_card_drops_is_named_with_the_reason(tmp_path: Path) -> None:
    rows = table(tmp_path, _with_column("noise", lambda at: str(at % 2)))
    wanted = Wanted("answer", roles={"late": Role(direction="falling")})

    summary = fit_model(rows, wanted, tmp_path / "model", with_challenger=False)

    why = {column.name: column.why for column in summary.left_out}
    report = (tmp_path / "model" / "report.md").read_text()
    assert "contradict the declared direction (falling)" in why["late"]
    assert "no information" in why["noise"]
    assert f"| late | {why['late']} |" in report


def test_a_column_that_repeats_the_target_is_left_out(tmp_path: Path) -> None:
    made = [line + "," + line.rsplit(",", 1)[1] for line in lines()]
    made[0] = ",".join((*HEADER, "written_off"))

    card = fitted(table(tmp_path, made))

    why = {column.name: column.why for column in card.provenance.left_out}
    assert "repeats the target" in why["written_off"]


def test_a_column_with_the_cells_of_another_one_is_left_out_unless_it_is_asked_for(
    tmp_path: Path,
) -> None:
    made = [f"{line},{line.split(',')[2]}" for line in lines()]
    made[0] = f"{lines()[0]},late_again"
    rows = table(tmp_path, made)

    why = {column.name: column.why for column in take_sample(rows, WANTED).choice.left_out}
    asked = take_sample(rows, Wanted("answer", features=["late", "late_again"]))

    assert why["late_again"] == "the same cells as late"
    assert [column.name for column in asked.choice.chosen] == ["late", "late_again"]


@pytest.mark.parametrize(
    "day",
    [
        "2015-03-{:02d}",
        "2015/03/{:02d}",
        "{:02d}.03.2015",
        "{:02d}MAR2015",
        "201503{:02d}",
        "Mar-{}",
    ],
)
def test_dates_are_left_out_in_every_usual_form(tmp_path: Path, day: str) -> None:
    rows = table(tmp_path, _with_column("opened", lambda at: day.format(10 + at % 15)))

    why = {column.name: column.why for column in take_sample(rows, WANTED).choice.left_out}

    assert why["opened"] == "dates: derive a duration from it"


@pytest.mark.parametrize(("rows", "least"), [(100, 20), (1000, 50)])
def test_a_small_file_has_no_bin_of_a_few_rows(tmp_path: Path, rows: int, least: int) -> None:
    sample = take_sample(table(tmp_path, lines(rows)), WANTED)
    (debt,) = (column for column in sample.choice.chosen if column.name == "debt")

    bins = bin_column(debt, sample.table.columns["debt"], sample.bad).bins

    assert len(bins) > 1
    assert min(part.rows for part in bins) >= least


def test_a_missing_cell_has_a_bin_and_an_unknown_category_counts_as_missing(tmp_path: Path) -> None:
    card = fitted(table(tmp_path))
    debt = next(part for part in card.attributes if part.name == "debt")
    purpose = next(part for part in card.attributes if part.name == "purpose")

    assert debt.missing.rows > 50
    assert debt.iv > 0.1, "the known cells keep their order, whatever is missing between them"
    assert bin_of(purpose, "boat") == purpose.missing
    assert purpose.missing.woe == min(part.woe for part in purpose.bins)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda line: line.rsplit(",", 1)[0] + ",1", "'answer' has 1 different values"),
        (lambda line: line.rsplit(",", 1)[0] + ",", "'answer' has 0 different values"),
        (lambda line: f"x,,,,m,no,,{line[-1]}", "no column is left"),
    ],
)
def test_a_table_that_cannot_be_fitted_names_the_column(
    tmp_path: Path, change: object, named: str
) -> None:
    assert callable(change)
    made = [lines()[0], *(change(line) for line in lines()[1:])]

    with pytest.raises(ContractViolationError, match=named):
        take_sample(table(tmp_path, made), WANTED)


def test_rows_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    made = lines()
    made[5] = made[5].rsplit(",", 1)[0] + ","

    card = fitted(table(tmp_path, made))

    assert (card.provenance.rows, card.provenance.rows_without_target) == (999, 1)


def _with_column(name: str, cell_of: Callable[[int], str]) -> list[str]:
    head, *rows = lines()
    return [f"{name},{head}", *(f"{cell_of(at)},{row}" for at, row in enumerate(rows))]


def _rare() -> list[str]:
    head, *rows = lines(3000)
    bad = [row for row in rows if row.endswith(",1")][:21]
    return [head, *bad, *(row for row in rows if row.endswith(",0"))]


@pytest.mark.parametrize(
    ("made", "left_out"),
    [
        pytest.param([line.replace(",", ";") for line in lines()], None, id="semicolons"),
        pytest.param([line.replace(",,", ",?,") for line in lines()], None, id="question-marks"),
        pytest.param(
            [line.replace("car,", "A40,").replace("holiday,", "A410,") for line in lines()],
            None,
            id="codes",
        ),
        pytest.param(_with_column("branch", lambda _: "7"), "one value", id="constant"),
        pytest.param(_with_column("gone", lambda at: "?" * (at % 2)), "empty", id="all-missing"),
        pytest.param(_with_column("label", lambda at: f"s-{at}"), "unique key", id="all-different"),
        pytest.param(lines(200), None, id="200-rows"),
        pytest.param(_rare(), None, id="one-in-a-hundred"),
    ],
)
def test_a_file_that_it_has_never_seen_is_fitted_and_scored(
    tmp_path: Path, made: list[str], left_out: str | None
) -> None:
    rows = table(tmp_path, made)
    summary = fit_model(rows, WANTED, tmp_path / "model", with_challenger=False)

    card = read_scorecard(tmp_path / "model")
    extra = {column.name: column.why for column in summary.left_out}.get(made[0].split(",")[0], "")
    assert set(summary.attributes) <= {"debt", "late", "purpose"}
    assert {"late", "purpose"} & set(summary.attributes)
    assert (left_out or "") in extra
    pds = [float(row[0]) for row in score_table(rows, card)]
    assert math.fsum(pds) == pytest.approx(summary.bad_rows, rel=1e-3)
