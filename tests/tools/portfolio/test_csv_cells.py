"""An apostrophe before a cell that a spreadsheet would run is not part of the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.portfolio.tables import cell_of
from tools.portfolio.csv_cells import is_formula, unescaped


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("'=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("'+1 217 555 0107", "+1 217 555 0107"),
        ("'-2+3", "-2+3"),
        ("'@SUM(A1)", "@SUM(A1)"),
        ("'\tx", "\tx"),
        ("'\r=1", "\r=1"),
        ("' =1", " =1"),
        ("'＝1", "＝1"),
        ("''=1", "'=1"),
        ("-12.50", "-12.50"),
        ("O'Brien", "O'Brien"),
        ("'quoted'", "'quoted'"),
        ("", ""),
    ],
)
def test_an_apostrophe_before_a_formula_is_taken_off(cell: str, text: str) -> None:
    assert unescaped(cell) == text


@given(st.text(st.sampled_from("='+-@\t\r 1a")))
def test_what_an_export_guards_is_read_as_it_was(text: str) -> None:
    written = cell_of(text)

    assert not is_formula(written)
    assert unescaped(written) == text
