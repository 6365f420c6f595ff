"""An exported cell is never a formula, and is read back as the text it was."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.portfolio.csv_cells import escaped, is_formula, unescaped, write_csv


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1 217 555 0107", "'+1 217 555 0107"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\r=1", "'\r=1"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("-12.50", "-12.50"),
        ("O'Brien", "O'Brien"),
        ("'quoted'", "'quoted'"),
        ("", ""),
    ],
)
def test_only_cells_that_a_spreadsheet_would_run_are_escaped(text: str, cell: str) -> None:
    assert escaped(text) == cell
    assert unescaped(cell) == text


@given(st.text(st.sampled_from("='+-@\t\r 1a")))
def test_an_escaped_text_is_no_formula_and_comes_back(text: str) -> None:
    assert not is_formula(escaped(text))
    assert unescaped(escaped(text)) == text


def test_a_table_is_written_with_its_header_in_the_order_of_the_columns() -> None:
    file = io.StringIO(newline="")

    write_csv(
        file,
        ["name", "amount", "held", "=x"],
        [{"amount": Decimal("-1.50"), "name": "=A\n1", "held": True}, {"name": "b"}],
    )

    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [
        ["name", "amount", "held", "'=x"],
        ["'=A\n1", "-1.50", "true", ""],
        ["b", "", "", ""],
    ]
    assert file.getvalue().endswith("b,,,\r\n")
