"""What the fair-lending report reads, and what it refuses: by file, line and column, no value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.contracts.errors import ContractViolationError
from data.contracts.fairness import Standing
from tools.modelling.fairness_files import Case, read_decisions, read_groups


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def decisions(folder: Path, content: str | bytes, name: str = "decisions.csv") -> list[Case]:
    return read_decisions(written(folder / name, content))


def test_a_csv_of_two_columns_is_enough(tmp_path: Path) -> None:
    found = decisions(
        tmp_path, "application_id,outcome\na,approve\nb,Denied\nc,\nd,counter-offer\n"
    )

    assert found == [
        Case("a", Standing.APPROVED),
        Case("b", Standing.DENIED),
        Case("c", Standing.OPEN),
        Case("d", Standing.COUNTER_OFFER),
    ]


def test_further_columns_are_read_where_they_are_there(tmp_path: Path) -> None:
    found = decisions(
        tmp_path,
        b"\xef\xbb\xbfoutcome,pd,score,apr,rate,product,decided_at,application_id,note\r\n"
        b"approve,0.02,,0.131,0.12,card,2026-11-02T10:00:00Z,a,x\r\n",
    )

    assert found == [Case("a", Standing.APPROVED, "card", "2026-11", pd=0.02, apr=0.131, rate=0.12)]


def test_json_lines_are_read_and_blank_lines_skipped(tmp_path: Path) -> None:
    lines = (
        '\n{"application_id":"a","outcome":"approve","pd":"0.5"}\n\n'
        '{"application_id":7,"outcome":null}\n'
    )

    found = decisions(tmp_path, lines, "decisions.jsonl")

    assert found == [Case("a", Standing.APPROVED, pd=0.5), Case("7", Standing.OPEN)]


def test_the_lines_of_the_desk_are_read_with_their_prices(tmp_path: Path) -> None:
    line = {
        "line": 1,
        "application_id": "ada",
        "status": "decided",
        "outcome": "approve",
        "content": {
            "as_of_date": "2026-11-02",
            "requested": {"product": "personal_loan"},
            "pd": "0.0123",
            "offer": {"apr": "0.1465", "rate": "0.1299"},
        },
    }
    open_line = {"line": 2, "application_id": "bo", "status": "referred", "outcome": None}

    text = "\n".join(map(json.dumps, (line, open_line)))

    assert decisions(tmp_path, text, "decisions.jsonl") == [
        Case(
            "ada",
            Standing.APPROVED,
            "personal_loan",
            "2026-11",
            pd=0.0123,
            apr=0.1465,
            rate=0.1299,
        ),
        Case("bo", Standing.OPEN),
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "has no column application_id: the first line has to name application_id and outcome"),
        ("application_id\na\n", "has no column outcome"),
        ("application_id;outcome\na;approve\n", "separated by commas"),
        ("application_id,outcome\n", "has no decisions"),
        ("application_id,outcome\na,S3CRET\n", "line 2, column outcome: unknown outcome: write"),
        ("application_id,outcome\n,approve\n", "line 2, column application_id: it is empty"),
        (
            "application_id,outcome\nS3CRET,approve\nS3CRET,approve\n",
            "line 3, column applic.*line 2",
        ),
        ("application_id,outcome\na,approve,S3CRET\n", "line 2: 3 cells, and the first line has 2"),
        ('application_id,outcome\n"a,approve\n', "not CSV"),
        ("application_id,outcome,outcome\na,approve,approve\n", "name each column once"),
        ("application_id,outcome,pd\na,approve,1.5\n", "column pd: not a share from 0 to 1"),
        ("application_id,outcome,apr\na,approve,S3CRET\n", "column apr: not a share from 0 to 1"),
        (
            "application_id,outcome,apr\na,approve,0.125\nb,approve,12.5\n",
            "line 3, column apr: not a share from 0 to 1: write 0.125 for 12.5 %",
        ),
        ("application_id,outcome,rate\na,approve,11.5\n", "line 2, column rate: not a share"),
        ("application_id,outcome,score\na,approve,nan\n", "column score: not a plain number"),
        (b"application_id,outcome\n\xff,approve\n", "is not UTF-8"),
        ('{"application_id":"S3CRET"', "line 1: not a JSON object"),
        ('{"application_id":"a","outcome":"approve"}\n["S3CRET"]\n', "line 2: not a JSON object"),
        ('{"application_id":"a","outcome":"approve","apr":NaN}\n', "line 1: not a JSON object"),
        ('{"application_id":"a","outcome":"approve","pd":true}\n', "column pd: not a share"),
    ],
)
def test_bad_decisions_are_refused_with_their_place_and_without_their_values(
    tmp_path: Path, content: str | bytes, error: str
) -> None:
    with pytest.raises(ContractViolationError, match=error) as refused:
        decisions(tmp_path, content)

    assert str(refused.value).startswith("decisions.csv")
    assert "S3CRET" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("application_id\na\n", "beside application_id there is no column"),
        ("application_id,sex\n", "has no rows"),
        ("id,sex\na,F\n", "has no column application_id"),
        ("application_id,sex\nS3CRET,F\nS3CRET,M\n", "line 3, column application_id"),
        (
            "application_id,dob\n" + "".join(f"a{n},S3CRET{n}\n" for n in range(30)),
            "column dob: more than 20 different values: give groups",
        ),
    ],
)
def test_bad_groups_are_refused_with_their_place_and_without_their_values(
    tmp_path: Path, content: str, error: str
) -> None:
    with pytest.raises(ContractViolationError, match=error) as refused:
        read_groups(written(tmp_path / "groups.csv", content))

    assert "S3CRET" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_decisions, read_groups):
        with pytest.raises(ContractViolationError, match=r"gone\.csv cannot be read: No such file"):
            read(tmp_path / "gone.csv")


def test_labels_lose_spaces_and_control_characters(tmp_path: Path) -> None:
    content = "application_id,sex,age\na, F\t\x1b[31m ,\nb,,18-39\n"

    groups = read_groups(written(tmp_path / "groups.csv", content))

    assert groups.attributes == ("sex", "age")
    assert groups.of == {"a": ("F [31m", ""), "b": ("", "18-39")}
