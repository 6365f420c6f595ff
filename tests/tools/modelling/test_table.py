"""CSV files of every spreadsheet are read, and a broken one is refused by line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from data.contracts.errors import ContractViolationError, RecordNotFoundError
from tools.modelling.table import number_in, read_table


def read(folder: Path, raw: bytes) -> dict[str, tuple[str | None, ...]]:
    path = folder / "rows.csv"
    path.write_bytes(raw)
    return read_table(path).columns


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfa,b\r\n1.5,x\r\n,y\r\n",
        b"a;b\n1,5;x\n?;y\n",
        b"a\tb\n1.5\tx\nNA\ty\n\n",
        b"sep=;\r\na;b\r\n1,5;x\r\n;y\r\n",
        "a,b\n1.5,x\n,y\n".encode("utf-16"),
        b'"a","b"\n"1.5","x"\n"","y"\n',
    ],
)
def test_marks_separators_quotes_and_missing_cells(tmp_path: Path, raw: bytes) -> None:
    assert read(tmp_path, raw) == {"a": ("1.5", None), "b": ("x", "y")}


def test_a_quoted_cell_may_hold_a_separator_and_a_line_break(tmp_path: Path) -> None:
    assert read(tmp_path, b'a,b\n"1,2\n3",x\n')["a"] == ("1,2\n3",)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"", "a header and at least one row"),
        (b"a,b\n", "a header and at least one row"),
        (b"a,a\n1,2\n", "'a' stands twice"),
        (b"a,b\n1,2\n1,2,3\n", "row 3: 3 cells instead of 2"),
        (b"PK\x03\x04\x00\x00", "is no text: save the table as CSV"),
        (b'a,b\n1,"x\n', "check its quotes"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(tmp_path: Path, raw: bytes, named: str) -> None:
    with pytest.raises(ContractViolationError, match=named):
        read(tmp_path, raw)


def test_a_file_of_windows_is_read_and_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("a,Straße\n1,Süd\n".encode("cp1252"))

    table = read_table(path)

    assert table.columns == {"a": ("1",), "Straße": ("Süd",)}
    assert table.remarks == ("rows.csv, line 1: not UTF-8, so the file is read as Windows-1252",)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1.5", 1.5),
        ("$1,234.50", 1234.5),
        ("-€12", -12.0),
        ("12.5%", 12.5),
        ("1'000", 1000.0),
        ("12 345", 12345.0),
        ("1,23", math.nan),
        ("36 months", math.nan),
        ("1_000", math.nan),
        ("inf", math.nan),
        ("", math.nan),
    ],
)
def test_a_number_is_read_as_people_write_it(cell: str, number: float) -> None:
    assert number_in(cell) == pytest.approx(number, nan_ok=True)


def test_points_between_thousands_go_with_a_decimal_comma(tmp_path: Path) -> None:
    assert read(tmp_path, b"a;b\n1.234,50;x\n-12.000,1;y\n")["a"] == ("1234.50", "-12000.1")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordNotFoundError, match=r"none\.csv"):
        read_table(tmp_path / "none.csv")
