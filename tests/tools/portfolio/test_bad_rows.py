"""A bad row is rejected with line, field and code, without its value, and the other rows go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.contracts.portfolio import PortfolioRow, RejectedRow
from tests.tools.portfolio.portfolios import ADA, BEN, bundle, lines_of, read, row, told
from tools.portfolio.records import MAX_ROW_BYTES

SECRET = "Zebedee"
"""Stands in every row below, and must stand in no reject."""


def among_good_rows(folder: Path, bad: bytes) -> RejectedRow:
    """The reject of a row between two good ones."""
    path = lines_of(folder, row(ADA, "before"), bad, row(BEN, "after"))

    before, found, after = read(path)

    assert told([before, after]) == [(1, "before"), (3, "after")]
    assert isinstance(found, RejectedRow)
    assert (found.line, found.row) == (2, 2)
    assert SECRET not in found.model_dump_json()
    return found


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = bundle()
    value["application"]["applicants"][0]["middle_name"] = SECRET
    change(value)
    return json.dumps(value).encode()


def at(pointer: str, new: object) -> bytes:
    """A row with one field changed."""

    def change(value: dict[str, Any]) -> None:
        here: Any = value
        *outer, last = pointer.split("/")[1:]
        for part in outer:
            here = here[int(part) if part.isdecimal() else part]
        here[last] = new

    return changed(change)


def text(old: bytes, new: bytes) -> bytes:
    whole = changed(lambda value: None)
    assert old in whole
    return whole.replace(old, new)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param(b"{" + SECRET.encode(), "malformed_json", id="body not JSON"),
        pytest.param(text(b'"schema_version"', b"\xff"), "malformed_json", id="not UTF-8"),
        pytest.param(text(b'"dependents": 0', b'"dependents": NaN'), "malformed_json", id="NaN"),
        pytest.param(
            text(b'"dependents": 0', b'"dependents": -Infinity'), "malformed_json", id="Infinity"
        ),
        pytest.param(
            text(b'{"schema_version": 1, ', b'{"schema_version": 1, "schema_version": 1, '),
            "malformed_json",
            id="duplicate keys",
        ),
        pytest.param(
            b'{"application": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "malformed_json",
            id="depth bomb",
        ),
        pytest.param(
            b'{"' + SECRET.encode() * (MAX_ROW_BYTES // 7 + 1) + b'":1}',
            "too_large",
            id="> size cap",
        ),
        pytest.param(b"x" * (3 * MAX_ROW_BYTES), "too_large", id="a line of which no part is read"),
        pytest.param(b"[1, 2]", "model_type", id="not an object"),
    ],
)
def test_a_row_that_cannot_be_parsed(tmp_path: Path, bad: bytes, code: str) -> None:
    found = among_good_rows(tmp_path, bad)

    assert [(problem.pointer, problem.code) for problem in found.problems] == [("", code)]


@pytest.mark.parametrize(
    ("bad", "pointer", "code"),
    [
        pytest.param(at("/tax_id", SECRET), "/tax_id", "extra_forbidden", id="unknown field"),
        pytest.param(
            at("/application/term_months", SECRET),
            "/application/term_months",
            "int_type",
            id="wrong type",
        ),
        *(
            pytest.param(
                at("/application/amount_requested", amount),
                "/application/amount_requested",
                code,
                id=f"amount {amount}",
            )
            for amount, code in (
                ("12,000.00", "value_error"),
                ("1e4", "value_error"),
                ("900.123", "decimal_max_places"),
                ("0.00", "greater_than"),
                ("-900.00", "greater_than"),
            )
        ),
        pytest.param(
            at("/application/term_months", 0),
            "/application/term_months",
            "greater_than_equal",
            id="term 0",
        ),
        *(
            pytest.param(
                at("/application/applicants/0/dob", dob),
                "/application/applicants/0/dob",
                code,
                id=name,
            )
            for name, dob, code in (
                ("DOB in the future", "2027-01-01", "dob_impossible"),
                ("age > 120", "1890-01-01", "dob_impossible"),
                ("29 Feb 2001", "2001-02-29", "date_from_datetime_parsing"),
            )
        ),
        pytest.param(
            at("/application/as_of_date", "2026-11-01"),
            "/application/as_of_date",
            "as_of_before_receipt",
            id="as_of before received_at",
        ),
        *(
            pytest.param(
                at("/application/applicants/0/ssn", ssn),
                "/application/applicants/0/ssn",
                "ssn_invalid",
                id=f"SSN {ssn}",
            )
            for ssn in (
                "000-12-3456",
                "666-12-3456",
                "912-12-3456",
                "516-00-3456",
                "516-12-0000",
                "078-05-1120",
                "111-11-1111",
            )
        ),
        pytest.param(
            at("/application/consent", None),
            "/application/consent",
            "consent_missing",
            id="no consent",
        ),
        pytest.param(
            at("/application/consent/credit_pull_at", "2026-11-03T15:00:00Z"),
            "/application",
            "consent_missing",
            id="consent after the pull",
        ),
        pytest.param(
            at("/application/applicants/0/last_name", " "),
            "/application/applicants/0/last_name",
            "blank",
            id="applicant name empty",
        ),
        pytest.param(
            at("/application/applicants/0/last_name", "a\nb"),
            "/application/applicants/0/last_name",
            "control_character",
            id="control characters",
        ),
        pytest.param(
            changed(
                lambda value: value["application"]["applicants"].append(
                    value["application"]["applicants"][0] | {"role": "co"}
                )
            ),
            "/application/applicants",
            "duplicate_applicant",
            id="identical co-applicant twice",
        ),
        pytest.param(
            at("/documents/0/document_id", "516-24-3907"),
            "/documents/0/document_id",
            "personal_id",
            id="an id that is a tax number",
        ),
        pytest.param(
            at("/application/application_id", "ada-1984-06-17"),
            "/application/application_id",
            "personal_data",
            id="an id that repeats a date of birth",
        ),
    ],
)
def test_a_row_with_an_impossible_field(
    tmp_path: Path, bad: bytes, pointer: str, code: str
) -> None:
    found = among_good_rows(tmp_path, bad)

    assert (pointer, code) in [(problem.pointer, problem.code) for problem in found.problems]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/application/applicants/0/dob", "2009-03-14", id="17 years"),
        pytest.param("/application/amount_requested", "900000.00", id="out of product"),
        pytest.param("/application/state", "HI", id="state outside footprint"),
        pytest.param("/application/applicants/0/last_name", "Ó'Брайен-李 🦓", id="any script"),
        pytest.param("/bureau_report/score/value", 9002, id="score codes 9000+"),
        pytest.param("/bureau_report/status", "frozen", id="bureau: frozen"),
        pytest.param("/documents/0/content_base64", "", id="document 0 bytes"),
    ],
)
def test_a_possible_value_is_for_the_policy_to_judge(
    tmp_path: Path, pointer: str, value: object
) -> None:
    (found,) = read(lines_of(tmp_path, at(pointer, value)))

    assert isinstance(found, PortfolioRow)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"\xef\xbb\xbf" + row(), [(1, "ada-prime")], id="BOM"),
        pytest.param(
            row() + b"\r\n\r\n" + row(BEN) + b"\r\n",
            [(1, "ada-prime"), (3, "ben-midland")],
            id="CRLF",
        ),
        pytest.param(b"\n \n" + row(), [(3, "ada-prime")], id="blank lines, no line end"),
        pytest.param(
            row() + b"\n" + row(),
            [(1, "ada-prime"), (2, "/application/application_id duplicate_application")],
            id="application_id twice in one file",
        ),
    ],
)
def test_lines_are_told_apart_as_json_lines_wants_it(
    tmp_path: Path, content: bytes, expected: list[tuple[int, str]]
) -> None:
    path = tmp_path / "applications.jsonl"
    path.write_bytes(content)

    assert told(read(path)) == expected
