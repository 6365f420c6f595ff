"""`credit-desk scorecard` fits and applies a card without a desk."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from tests.tools.modelling.tables import lines, written

pytest.importorskip("sklearn")
RUNNER = CliRunner()


def run(*words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, ["scorecard", *words])
    return done.exit_code, done.stdout, done.stderr


def fit(folder: Path, *words: str, out: str = "model") -> tuple[int, str, str]:
    data = str(written(folder, lines()))
    return run("fit", "--data", data, "--target", "answer", "--out", str(folder / out), *words)


def test_a_fit_names_on_stderr_what_it_leaves_out(tmp_path: Path) -> None:
    code, _, errors = fit(tmp_path)

    assert code == 0
    assert "left out ForeignWorker: a prohibited basis" in errors
    assert "left out key: a unique key" in errors
    assert "'1' is bad (a guess: the usual reading of '0' and '1')" in errors
    assert "to turn it round, give --bad=0" in errors


def test_a_file_with_the_columns_of_a_shipped_derivation_is_told_of_it(tmp_path: Path) -> None:
    months = (1, 2, 3, 4, 5, 6)
    names = ["LIMIT_BAL", *(f"PAY_{at}" for at in (0, 2, 3, 4, 5, 6))]
    names += [f"{kind}{month}" for kind in ("BILL_AMT", "PAY_AMT") for month in months]
    data = written(tmp_path, [",".join((*names, "answer")), ",".join(["1"] * 20)])

    words = ("fit", "--data", str(data), "--target", "answer", "--out", str(tmp_path / "model"))
    _, _, errors = run(*words)

    (told,) = (line for line in errors.splitlines() if "taiwan-card-default.yaml" in line)
    path = Path(told.split("--attributes ")[1])
    assert path.is_file()
    assert "are declared" not in run(*words, "--attributes", str(path))[2]


def test_the_same_fit_gives_the_same_bytes(tmp_path: Path) -> None:
    fit(tmp_path, out="first")
    fit(tmp_path, out="second")

    first, second = (sorted((tmp_path / name).glob("*.json")) for name in ("first", "second"))
    assert [path.name for path in first] == [path.name for path in second] != []
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_scores_stand_beside_the_columns_of_the_file(tmp_path: Path) -> None:
    fit(tmp_path)
    out = tmp_path / "scored.csv"

    code, told, _ = run(
        "score", "--model", str(tmp_path / "model"), "--data", str(tmp_path / "rows.csv"),
        "--out", str(out),
    )  # fmt: skip

    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert (code, len(rows)) == (0, 1000), told
    for name in ("pd", "pd_challenger", "pd_blend"):
        assert all(0 < float(row[name]) < 1 for row in rows)
    assert {row["reason_1"] for row in rows} <= {"debt", "late", "purpose", ""}
    by_score = sorted(rows, key=lambda row: float(row["score"]))
    assert sum(row["answer"] == "1" for row in by_score[:200]) > 2 * sum(
        row["answer"] == "1" for row in by_score[-200:]
    )


def test_a_file_without_a_column_of_the_model_is_bad_input(tmp_path: Path) -> None:
    fit(tmp_path)
    other = written(tmp_path, ["debt,late", "1,2"], "other.csv")

    code, _, errors = run(
        "score", "--model", str(tmp_path / "model"), "--data", str(other),
        "--out", str(tmp_path / "o.csv"),
    )  # fmt: skip

    assert code == 2
    assert "lacks the column 'purpose'" in errors


def test_a_prohibited_feature_and_an_unknown_target_are_bad_input(tmp_path: Path) -> None:
    assert "may not be a feature" in fit(tmp_path, "--features", "sex,debt")[2]
    assert fit(tmp_path, "--features", "sex,debt")[0] == 2
    assert fit(tmp_path, "--features", "key,debt")[0] == 2

    code, _, errors = fit(tmp_path, "--target", "nothing")
    assert code == 2
    assert "no column 'nothing'" in errors


def test_the_report_names_exclusions_figures_and_limits(tmp_path: Path) -> None:
    fit(tmp_path, "--no-challenger", "--base-rate", "0.03")

    code, told, _ = run("report", "--model", str(tmp_path / "model"), "--out", str(tmp_path / "r"))

    text = (tmp_path / "r" / "report.md").read_text()
    page = (tmp_path / "r" / "report.html").read_text()
    assert code == 0
    assert "| ForeignWorker | a prohibited basis" in text
    titles = ("Purpose", "Data", "Exclusions", "Method", "Bins", "Performance")
    for title in (*titles, "Calibration", "Stability", "Limits", "Monitoring plan", "Approval"):
        assert f"## {title}\n" in text
        assert f"<h2>{title}</h2>" in page
    assert "| Base rate of the portfolio | 3.00% |" in text
    assert "| Bad value of the target | '1' (a guess: the usual reading of '0' and '1') |" in text
    assert "](calibration-scorecard.svg)" in text
    assert {path.rsplit("/", 1)[1] for path in told.split()} >= {"report.md", "information.svg"}
    assert (tmp_path / "model" / "report.md").read_text() == text


def test_a_derivation_travels_with_the_model(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "{id: made, version: 1.0.0, source: made here, licence: CC0-1.0, attributes: ["
        "{name: late_twice, function: at_least, of: [late], bound: 2}]}"
    )
    fit(tmp_path, "--no-challenger", "--attributes", str(tmp_path / "a.yaml"))

    code, _, errors = run(
        "score", "--model", str(tmp_path / "model"), "--data", str(tmp_path / "rows.csv"),
        "--out", str(tmp_path / "o.csv"),
    )  # fmt: skip

    rows = list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines()))
    assert code == 0, errors
    assert {row["late"] for row in rows if row["late_twice"] == "1.0"} == {"2", "3"}
    assert len({row["pd"] for row in rows}) == 2
