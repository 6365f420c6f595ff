"""CSV as spreadsheets and other programs write it: read by row, or rejected by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.contracts.errors import ContractViolationError
from data.contracts.portfolio import PortfolioRow, RejectedRow
from tests.tools.portfolio.portfolios import ADA, read, told
from tests.tools.portfolio.tables import flat
from tools.portfolio.records import MAX_ROW_BYTES

ID = "application.application_id"
EMPLOYER = "application.applicants.0.employment.employer"
PHONE = "application.applicants.0.phone"
DEPENDENTS = "application.applicants.0.dependents"
MILITARY = "application.applicants.0.military_covered_borrower"

FIELDS = {
    name: str(value).lower() if isinstance(value, bool) else str(value)
    for name, value in flat(ADA.application.model_dump(mode="json"), "application").items()
    if value != ""
}


def line(application_id: str, separator: str = ",", **differs: str) -> str:
    """One application, each cell quoted. `differs` replaces cells by the name of their column."""
    values = FIELDS | {ID: application_id} | differs
    return separator.join('"' + value.replace('"', '""') + '"' for value in values.values())


def csv_file(folder: Path, *lines: str, header: str = ",".join(FIELDS), end: str = "\n") -> Path:
    path = folder / "applications.csv"
    path.write_bytes("".join(text + end for text in (header, *lines)).encode())
    return path


def between(folder: Path, bad: str) -> RejectedRow:
    """The reject of a row between two good ones."""
    before, found, after = read(csv_file(folder, line("before"), bad, line("after")))

    assert isinstance(before, PortfolioRow)
    assert isinstance(after, PortfolioRow)
    assert isinstance(found, RejectedRow)
    assert found.line == 3
    return found


def test_an_application_is_read_with_numbers_and_flags_as_the_contract_has_them(
    tmp_path: Path,
) -> None:
    (found,) = read(csv_file(tmp_path, line("ada-prime", **{DEPENDENTS: "2", MILITARY: "TRUE"})))

    assert isinstance(found, PortfolioRow)
    assert found.case.application.primary.dependents == 2
    assert found.case.application.primary.military_covered_borrower is True


@pytest.mark.parametrize(
    ("separator", "end", "start"),
    [
        pytest.param(",", "\n", "", id="plain"),
        pytest.param(",", "\n", "\ufeff", id="BOM"),
        pytest.param(",", "\r\n", "", id="CRLF"),
        pytest.param(";", "\r\n", "\ufeff", id="semicolons"),
        pytest.param("\t", "\n", "", id="tabs"),
    ],
)
def test_every_usual_form_is_read(tmp_path: Path, separator: str, end: str, start: str) -> None:
    header = start + separator.join(FIELDS)
    rows = [line("a", separator), line("b", separator), separator * (len(FIELDS) - 1), ""]

    found = read(csv_file(tmp_path, *rows, line("c", separator), header=header, end=end), 2)

    assert told(found) == [(2, "a"), (3, "b"), (6, "c")]


def test_a_quoted_cell_may_hold_line_breaks_and_the_next_row_is_found(tmp_path: Path) -> None:
    paper = json.dumps({"a": 1}, indent=1)
    path = csv_file(tmp_path, line("a"), line("b", **{EMPLOYER: paper}), line("c"))

    for chunk_rows in (1, 2, 3):
        assert told(read(path, chunk_rows)) == [
            (2, "a"),
            (3, f"/{EMPLOYER.replace('.', '/')} control_character"),
            (6, "c"),
        ]


@pytest.mark.parametrize(
    "cell",
    ["=cmd|' /C calc'!A0", "=1+1", "@SUM(A1)", "+1+cmd", "-2+3", "\t=1", " =1", "＝1+1", "-"],
)
def test_a_formula_cell_is_an_error_of_its_row(tmp_path: Path, cell: str) -> None:
    found = between(tmp_path, line("bad", **{EMPLOYER: cell}))

    (problem,) = found.problems
    assert problem.pointer == "/application/applicants/0/employment/employer"
    assert problem.code == "formula_cell"
    assert cell not in found.model_dump_json()


def test_an_apostrophe_makes_a_formula_a_text_and_a_telephone_number_is_none(
    tmp_path: Path,
) -> None:
    (found,) = read(
        csv_file(tmp_path, line("a", **{EMPLOYER: "'=Sum & Co", PHONE: "+1 217 555 0107"}))
    )

    assert isinstance(found, PortfolioRow)
    assert found.case.application.primary.employment.employer == "=Sum & Co"
    assert found.case.application.primary.phone == "+1 217 555 0107"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param('"a",,', "cell_count", id="too few cells"),
        pytest.param(line("a") + ",1", "cell_count", id="too many cells"),
        pytest.param(line("a") + 'x"', "malformed_csv", id="text after a quote"),
        pytest.param(
            line("a", **{EMPLOYER: "x" * MAX_ROW_BYTES}), "too_large", id="too large line"
        ),
    ],
)
def test_a_row_that_is_not_csv_is_rejected(tmp_path: Path, bad: str, code: str) -> None:
    (problem,) = between(tmp_path, bad).problems

    assert (problem.pointer, problem.code) == ("", code)


def test_a_row_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    path = csv_file(tmp_path, line("a"), line("b", **{EMPLOYER: "M?ller"}), line("c"))
    path.write_bytes(path.read_bytes().replace(b"M?ller", b"M\xfcller"))

    assert told(read(path)) == [(2, "a"), (3, " not_utf8"), (4, "c")]


def test_a_quote_that_is_never_closed_is_rejected_and_no_row_is_invented(tmp_path: Path) -> None:
    path = csv_file(tmp_path, line("a"), '"never closed', line("c"))

    first, *rest = read(path)

    assert isinstance(first, PortfolioRow)
    assert rest
    assert all(isinstance(found, RejectedRow) for found in rest)


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("application.amount_requested", "12.000,00", "value_error"),
        (DEPENDENTS, "2.0", "int_type"),
        (MILITARY, "yes", "bool_type"),
        ("application.as_of_date", "11/2/2026", "date_format"),
        (ID, "", "missing"),
    ],
)
def test_a_cell_is_never_coerced_silently(
    tmp_path: Path, column: str, cell: str, code: str
) -> None:
    (problem, *_) = between(tmp_path, line("bad", **{column: cell})).problems

    assert (problem.pointer, problem.code) == (f"/{column.replace('.', '/')}", code)


def test_an_application_id_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    path = csv_file(tmp_path, line("a"), line("b"), line("a"))

    assert told(read(path, 1)) == [
        (2, "a"),
        (3, "b"),
        (4, "/application/application_id duplicate_application"),
    ]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        pytest.param(line("a"), "missing_header", id="missing header"),
        pytest.param("", "missing_header", id="empty file"),
        pytest.param("id,amount", "missing_header", id="another program's names"),
        pytest.param(f"{ID},application.nickname", "unknown_column", id="unknown column"),
        pytest.param(f"{ID},application.consent", "unknown_column", id="object without a file"),
        pytest.param(
            f"{ID},documents.0.kind,documents.2.kind", "unknown_column", id="gap in a list"
        ),
        pytest.param(f"{ID},{ID}", "duplicate_column", id="column given twice"),
        pytest.param(f"application,{ID}", "duplicate_column", id="path and fields"),
    ],
)
def test_a_header_that_names_no_bundle_refuses_the_file(
    tmp_path: Path, header: str, code: str
) -> None:
    with pytest.raises(ContractViolationError) as refused:
        read(csv_file(tmp_path, line("a"), header=header))

    assert [problem.code for problem in refused.value.problems] == [code]
    assert "Ada" not in str(refused.value)


def test_a_csv_in_utf16_is_refused_with_the_encoding_that_is_read(tmp_path: Path) -> None:
    path = csv_file(tmp_path, line("a"))
    path.write_bytes(path.read_bytes().decode().encode("utf-16"))

    with pytest.raises(ContractViolationError, match="UTF-8"):
        read(path)
