"""Cells of CSV files. A spreadsheet takes a cell that begins with `=` for a formula, and runs it.

Other programs put an apostrophe before such a cell, as OWASP recommends against CSV injection. The
reader takes the apostrophe off again, and refuses a formula that has none.
"""

from __future__ import annotations

import re

_STARTS = frozenset("=+-@＝＋－＠")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_NUMBER_OR_TELEPHONE = re.compile(r"[+-][0-9][0-9 ().-]*( ?x ?[0-9]+)?")
"""Harmless, and common in files of other programs."""


def unescaped(cell: str) -> str:
    """The text of a cell, without the apostrophe that keeps a spreadsheet from running it."""
    return cell[1:] if cell.startswith("'") and _needs_escape(cell.lstrip("'")) else cell


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet could run the cell. Telephone numbers with a `+` are no formulas."""
    return _needs_escape(cell) and not _NUMBER_OR_TELEPHONE.fullmatch(cell)


def _needs_escape(text: str) -> bool:
    first = text.lstrip()[:1]
    if text[:1] not in ("\t", "\r") and first not in _STARTS:
        return False
    return not _NUMBER.fullmatch(text)
