"""Cells of CSV files. A spreadsheet takes a cell that begins with `=` for a formula, and runs it.

Exports put an apostrophe before such a cell, as OWASP recommends against CSV injection. Readers
take the apostrophe off again, and refuse a formula that has none.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

_STARTS = frozenset("=+-@＝＋－＠")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_NUMBER_OR_TELEPHONE = re.compile(r"[+-][0-9][0-9 ().-]*( ?x ?[0-9]+)?")
"""Harmless, and common in files of other programs."""


def escaped(text: str) -> str:
    """The text as a cell that no spreadsheet runs. Plain numbers stay as they are."""
    return f"'{text}" if _needs_escape(text.lstrip("'")) else text


def unescaped(cell: str) -> str:
    """The text of a cell that `escaped` has written."""
    return cell[1:] if cell.startswith("'") and _needs_escape(cell.lstrip("'")) else cell


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet could run the cell. Telephone numbers with a `+` are no formulas."""
    return _needs_escape(cell) and not _NUMBER_OR_TELEPHONE.fullmatch(cell)


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV with a header and formula cells escaped. A missing value is empty.

    Open the file with `newline=""`: the lines end as in RFC 4180.
    """
    table = csv.writer(file)
    table.writerow(map(escaped, columns))
    for row in rows:
        table.writerow([_cell(row.get(column)) for column in columns])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return escaped(str(value).lower() if isinstance(value, bool) else str(value))


def _needs_escape(text: str) -> bool:
    first = text.lstrip()[:1]
    if text[:1] not in ("\t", "\r") and first not in _STARTS:
        return False
    return not _NUMBER.fullmatch(text)
