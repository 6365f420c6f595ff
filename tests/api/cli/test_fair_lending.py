"""`credit-desk fair-lending` compares groups from two files, without a desk."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from data.contracts.fairness import FairLendingReport, Judgement

RUNNER = CliRunner()


def run(*words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, ["fair-lending", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """200 applications: of 100 in group F 40 are approved, of 100 in group M 80."""
    approved = {f"F{n}": n < 40 for n in range(100)} | {f"M{n}": n < 80 for n in range(100)}
    rows = [f"{name},{'approve' if won else 'decline'}" for name, won in approved.items()]
    decisions, groups = tmp_path / "decisions.csv", tmp_path / "groups.csv"
    decisions.write_text("\n".join(["application_id,outcome", *rows, "unmatched,approve"]))
    groups.write_text(
        "\n".join(["application_id,sex", *(f"{name},{name[0]}" for name in approved)])
    )
    return "--decisions", str(decisions), "--groups", str(groups)


def test_the_table_flags_the_group_and_says_what_the_report_is_not(files: tuple[str, ...]) -> None:
    code, told, _ = run(*files)

    lines = [line.split("\t") for line in told.splitlines()]
    row = next(line for line in lines if line[:2] == ["sex", "F"])
    assert code == 0
    assert lines[0][:4] == ["Cases", "Group", "n", "Approved"]
    assert row[2:4] == ["100", "40.0%"]
    assert row[4].startswith("0.500 (")
    assert row[-1] == "flagged (air)"
    assert "200 of 201 decisions have groups" in told
    assert "It is not the legal test." in told


def test_json_and_the_written_files_are_the_same_report(
    files: tuple[str, ...], tmp_path: Path
) -> None:
    code, told, errors = run(*files, "--out", str(tmp_path / "report"), "--json")

    report = FairLendingReport.model_validate(json.loads(told))
    stored = (tmp_path / "report" / "fair-lending.json").read_text()
    page = (tmp_path / "report" / "fair-lending.md").read_text()
    assert (code, errors) == (0, "")
    assert json.loads(stored) == json.loads(told)
    assert page.startswith("# Fair lending\n")
    assert (report.without_groups, report.flagged) == (1, 1)
    assert "F0" not in told + page, "no application is in a report"


def test_options_change_the_reference_and_the_smallest_group(files: tuple[str, ...]) -> None:
    _, told, _ = run(*files, "--reference", "sex=F", "--json")
    _, too_few, _ = run(*files, "--min-n", "101", "--json")

    assert FairLendingReport.model_validate(json.loads(told)).comparisons[0].reference == "F"
    report = FairLendingReport.model_validate(json.loads(too_few))
    assert {found.judgement for found in report.comparisons[0].groups} == {Judgement.NOT_JUDGED}


def test_bad_input_is_one_line_on_stderr(files: tuple[str, ...]) -> None:
    for words in (("--reference", "sex"), ("--min-n", "0"), ("--counter-offers", "maybe")):
        code, told, errors = run(*files, *words)
        assert (code, told) == (2, "")
        assert words[0] in errors
    code, told, errors = run(files[0], files[3], *files[2:])
    assert (code, told) == (2, "")
    assert errors.startswith("credit-desk: groups.csv has no column outcome")


def test_a_hundred_thousand_decisions_take_seconds(tmp_path: Path) -> None:
    decisions, groups = tmp_path / "decisions.csv", tmp_path / "groups.csv"
    with decisions.open("w") as rows, groups.open("w") as labels:
        rows.write("application_id,outcome,pd,apr\n")
        labels.write("application_id,sex,age\n")
        for n in range(100_000):
            outcome = "approve" if n % 3 else "decline"
            rows.write(f"a{n},{outcome},0.0{n % 89 + 10},{0.1 + n % 77 / 1000}\n")
            labels.write(f"a{n},{'FM'[n % 2]},{('18-39', '40-61', '62+')[n % 5 % 3]}\n")
    began = time.process_time()

    code, told, _ = run("--decisions", str(decisions), "--groups", str(groups), "--json")

    assert code == 0
    assert json.loads(told)["matched"] == 100_000
    assert time.process_time() - began < 15
