"""`credit-desk watchlist import` and `screen`, without a desk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from tests.tools.test_watchlist_import import ADD, ALT, SDN

RUNNER = CliRunner()
DAY = ("--as-of", "2026-11-02")


def run(home: Path, *words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, [*words, "--home", str(home)])
    return done.exit_code, done.stdout, done.stderr


def imported(home: Path, *words: str) -> tuple[int, str, str]:
    for name, text in (("SDN.CSV", SDN), ("ALT.CSV", ALT), ("ADD.CSV", ADD)):
        (home / name).write_bytes(text.encode())
    files = (f"--{name[:3].lower()}={home / name}" for name in ("SDN.CSV", "ALT.CSV", "ADD.CSV"))
    return run(home, "watchlist", "import", *files, "--date", "2026-10-30", *words)


def screened(home: Path, *words: str) -> dict[str, Any]:
    code, told, errors = run(home, "screen", *words, *DAY, "--json")
    assert code == 0, errors
    found: dict[str, Any] = json.loads(told)
    return found


def test_an_imported_list_is_screened_beside_the_shipped_one(tmp_path: Path) -> None:
    code, told, _ = imported(tmp_path)

    assert (code, told) == (0, "ofac-sdn of 2026-10-30: 5 entries with 7 names\n")
    found = screened(tmp_path, "Mohammed Zaydan", "--dob", "1949-12-01", "--country", "Iraq")
    assert found["status"] == "potential"
    [candidate] = found["candidates"]
    assert (candidate["entry_id"], candidate["list"]) == ("sdn-2674", "ofac-sdn")
    assert candidate["why"] == ["same_consonants", "dob_near", "country_agrees"]
    assert [edition["name"] for edition in found["lists"]] == ["synthetic-sanctions", "ofac-sdn"]
    assert screened(tmp_path, "Sam Sanction", "--dob", "1971-05-09")["status"] == "true_match"
    assert screened(tmp_path, "Ada Prime")["candidates"] == []


def test_a_date_of_birth_clears_a_namesake_on_the_imported_list(tmp_path: Path) -> None:
    imported(tmp_path)

    assert screened(tmp_path, "Vital Liakhavets", "--dob", "1970-01-01")["status"] == "clear"
    assert screened(tmp_path, "Vital Liakhavets", "--dob", "1963-01-01")["status"] == "potential"


def test_a_file_gives_one_result_a_line_in_its_order(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("name,dob\nSam Sanction,1971-05-09\nAda Prime,\n,\nAda Prime,5/9/71\n")

    code, told, _ = run(tmp_path, "screen", "--file", str(people), *DAY)

    results = [json.loads(line) for line in told.splitlines()]
    assert code == 2, "two lines could not be screened"
    assert [(result["line"], result["status"]) for result in results] == [
        (2, "true_match"),
        (3, "clear"),
        (4, "invalid"),
        (5, "invalid"),
    ]
    assert "5/9/71" not in told


def test_a_list_that_is_too_old_screens_no_person(tmp_path: Path) -> None:
    imported(tmp_path)

    code, told, errors = run(tmp_path, "screen", "Ada Prime", "--as-of", "2026-11-07")

    assert (code, told) == (1, "")
    assert "ofac-sdn is 8 days old, more than 7" in errors


def test_an_import_that_fails_leaves_the_last_edition(tmp_path: Path) -> None:
    imported(tmp_path)
    (tmp_path / "SDN.CSV").write_text("ent_num,SDN_Name\n")

    code, _, errors = run(tmp_path, "watchlist", "import", "--sdn", str(tmp_path / "SDN.CSV"))

    assert code == 2
    assert "SDN.CSV, line 1" in errors
    assert screened(tmp_path, "Vital Liakhavets")["status"] == "potential"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("screen",), "NAME"),
        (("screen", "Ada Prime", "--file", "people.csv"), "NAME"),
        (("screen", "Ada Prime", "--country", "Atlantis", *DAY), "--country"),
        (("screen", "--file", "missing.csv", *DAY), "missing.csv"),
        (("watchlist", "import", "--sdn", "missing.csv"), "missing.csv"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, words: tuple[str, ...], named: str) -> None:
    code, told, errors = run(tmp_path, *words)

    assert (code, told) == (2, "")
    assert named in errors


@pytest.mark.parametrize("text", ["first,last\nAda,Prime\n", "name,dob,ssn\n", ""])
def test_a_file_with_other_columns_is_bad_input(tmp_path: Path, text: str) -> None:
    people = tmp_path / "people.csv"
    people.write_text(text)

    code, told, errors = run(tmp_path, "screen", "--file", str(people), *DAY)

    assert (code, told) == (2, "")
    assert "columns name and dob" in errors


def test_the_name_of_a_list_cannot_leave_its_folder(tmp_path: Path) -> None:
    code, _, errors = imported(tmp_path, "--name", "../escape")

    assert code == 2
    assert "name" in errors
    assert not (tmp_path.parent / "escape.json").exists()
