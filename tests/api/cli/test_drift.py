"""`credit-desk drift` and `credit-desk outcomes import`, on the ledger of a desk that is down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from data.contracts.drift import DriftReport, OutcomesImported
from flows.runtime.ledger.database import shared_ledger

RUNNER = CliRunner()


def run(*words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, list(words))
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def home(tmp_path: Path) -> str:
    """The folder of a desk that has decided nothing yet."""
    shared_ledger(f"sqlite:///{tmp_path}/ledger.db").close()
    return str(tmp_path)


def test_a_desk_without_decisions_says_so(home: str) -> None:
    code, told, errors = run("drift", "--home", home)

    assert code == 0, errors
    assert "The baseline has no decisions." in told
    assert "credit-desk outcomes import FILE" in told
    code, told, _ = run("drift", "--home", home, "--json")
    assert DriftReport.model_validate(json.loads(told)).calibration.n == 0


def test_the_page_is_written_for_the_days_that_are_given(home: str, tmp_path: Path) -> None:
    days = ("--since", "2026-11-01", "--until", "2026-12-01", "--baseline-since", "2026-10-01")

    code, told, _ = run("drift", "--home", home, *days, "--out", str(tmp_path / "drift.md"))

    assert code == 0
    assert "2026-11-01 to 2026-12-01: 0 decisions against 2026-10-01 to 2026-11-01" in told
    assert (tmp_path / "drift.md").read_text().startswith("# Drift\n")


def test_outcomes_of_applications_that_the_desk_has_not_decided_are_left_out(
    home: str, tmp_path: Path
) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_text("application_id,outcome,date\na,good,2026-11-02\nb,bad,2026-11-02\n")

    code, told, errors = run("outcomes", "import", str(file), "--home", home, "--json")

    assert code == 0, errors
    done = OutcomesImported.model_validate(json.loads(told))
    assert (done.rows, done.new, done.undecided) == (2, 0, 2)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("application_id,outcome\na,good\n", "has no column date"),
        ("application_id,outcome,date\n", "has no outcomes"),
        ("application_id,outcome,date\n,good,2026-11-02\n", "column application_id: it is empty"),
        (
            "application_id,outcome,date\na,S3CRET,2026-11-02\n",
            "line 2, column outcome: write good",
        ),
        ("application_id,outcome,date\na,bad,S3CRET\n", "line 2, column date: write it as"),
        ("application_id,outcome,date\na,bad,2999-01-01\n", "column date: it is to come"),
        ("application_id,outcome,date\na,bad,2026-01-01\na,bad,2026-01-01\n", "line 3, column"),
    ],
)
def test_bad_outcomes_are_refused_with_their_place_and_without_their_values(
    home: str, tmp_path: Path, content: str, error: str
) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_text(content)

    code, told, errors = run("outcomes", "import", str(file), "--home", home)

    assert (code, told) == (2, "")
    assert errors.startswith("credit-desk: outcomes.csv")
    assert error in errors
    assert "S3CRET" not in errors


def test_a_folder_without_a_desk_and_a_period_without_a_day_are_refused(
    home: str, tmp_path: Path
) -> None:
    code, _, errors = run("drift", "--home", str(tmp_path / "empty"))
    assert (code, "there is no desk in" in errors) == (1, True)

    code, _, errors = run("drift", "--home", home, "--since", "2026-11-02", "--until", "2026-11-02")
    assert (code, errors) == (2, "credit-desk: --since must lie before its end\n")
