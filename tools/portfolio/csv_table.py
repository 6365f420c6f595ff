"""CSV: a header of dotted column names, and one bundle a row. An empty cell is a missing field.

The separator is a comma, semicolon or tab, whichever splits the header into known columns. Quoted
cells may hold line breaks. Numbers, flags and dates are written as in JSON.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.contracts.errors import ContractViolationError, Problem
from tools.portfolio.columns import Columns, Kind, kind_of
from tools.portfolio.csv_cells import is_formula, unescaped
from tools.portfolio.records import (
    BEGINNING,
    BYTE_ORDER_MARK,
    MAX_ROW_BYTES,
    Record,
    RowRefusedError,
    Start,
    numbered_lines,
    too_large,
)
from tools.portfolio.row_files import PARTS

_ID = ("application", "application.application_id")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
_FLAGS = {"true": True, "false": False}
_PATHS = re.compile(rf"({'|'.join(PARTS)})|documents\.[0-9]+")

# The module's own limit of 128 KB a cell is for the whole process, and a document is larger.
csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))


class CsvTable:
    """A portfolio in CSV. Raises ContractViolationError when the header is not one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            lines = _Lines(numbered_lines(file, BEGINNING))
            header = next(lines, "").removeprefix(BYTE_ORDER_MARK.decode())
        self._delimiter = max(",;\t", key=lambda sign: len(_known(_split(header, sign))))
        self._names = _split(header, self._delimiter)
        if lines.fault is not None or not _known(self._names):
            raise _no_header()
        self._columns = Columns(self._names)
        _require_readable(self._names, self._columns)
        self._id_columns = [self._names.index(name) for name in _ID if name in self._names]
        self._rows = Start(lines.size, 2)

    def records(self, start: Start = BEGINNING) -> Iterator[Record[list[str]]]:
        with self._path.open("rb") as file:
            lines = _Lines(numbered_lines(file, self._rows if start == BEGINNING else start))
            table = csv.reader(lines, delimiter=self._delimiter, strict=True)
            while (content := _next(table, lines)) is not None:
                if isinstance(content, RowRefusedError) or any(content):
                    yield Record(lines.first.offset, lines.first.line, content)

    def outlines(self) -> Iterator[tuple[Record[list[str]], object]]:
        for record in self.records():
            yield record, self._outline(record.content)

    def value(self, content: list[str]) -> object:
        if len(content) != len(self._names):
            raise RowRefusedError("", "cell_count", "the row has not as many cells as the header")
        return self._columns.nested(
            [
                _read(name, kind, cell) if cell else None
                for name, kind, cell in zip(self._names, self._columns.kinds, content, strict=True)
            ]
        )

    def _outline(self, content: list[str] | RowRefusedError) -> object:
        if isinstance(content, RowRefusedError) or len(content) != len(self._names):
            return None
        for column in self._id_columns:
            cell = unescaped(content[column])
            is_path = self._names[column] == "application"
            return {"application": cell if is_path else {"application_id": cell}}
        return None


@dataclass
class _Lines:
    """The lines of a file for the csv module, which takes as many as one row needs."""

    source: Iterator[tuple[Start, bytes | None]]
    first: Start = BEGINNING
    """Where the lines of the present row begin."""
    size: int = 0
    """The bytes of the present row."""
    fault: RowRefusedError | None = None

    def begin_row(self) -> None:
        self.size, self.fault = 0, None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        where, raw = next(self.source)
        if self.size == 0:
            self.first = where
        self.size += MAX_ROW_BYTES + 1 if raw is None else len(raw)
        if raw is None or self.size > MAX_ROW_BYTES:
            self.fault = too_large()
            return "\n"
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.fault = RowRefusedError("", "not_utf8", "the row is not UTF-8")
            return raw.decode(errors="replace")


def _next(table: Iterator[list[str]], lines: _Lines) -> list[str] | RowRefusedError | None:
    """The cells of the next row, or why it has none; None at the end of the file."""
    lines.begin_row()
    try:
        cells = next(table, None)
    except csv.Error:
        # The module drops the rest of the row, and the next line begins a row again.
        message = "a quoted cell is not closed, or is followed by text"
        return lines.fault or RowRefusedError("", "malformed_csv", message)
    return cells if cells is None else lines.fault or cells


def _read(name: str, kind: Kind, cell: str) -> object:
    if is_formula(cell):
        message = "a spreadsheet could run this cell: put an apostrophe before it"
        raise RowRefusedError(_pointer(name), "formula_cell", message)
    if kind is Kind.FLAG:
        return _FLAGS.get(cell.lower(), cell)
    if kind is Kind.WHOLE_NUMBER and _WHOLE_NUMBER.fullmatch(cell):
        return int(cell)
    return unescaped(cell)


def _pointer(name: str) -> str:
    return f"/{name.replace('.', '/')}"


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _known(names: list[str]) -> list[str]:
    return [name for name in names if kind_of(name) is not None]


def _require_readable(names: list[str], columns: Columns) -> None:
    """Refuse a column for an object that no file of its own can hold."""
    for number, (name, kind) in enumerate(zip(names, columns.kinds, strict=True), start=1):
        if kind is Kind.OBJECT and not _PATHS.fullmatch(name):
            message = f"column {number}: name the fields of the object, one column each"
            raise ContractViolationError(message, [Problem("", "unknown_column", message)])


def _no_header() -> ContractViolationError:
    message = "the first line names no column, such as application.application_id, in UTF-8"
    return ContractViolationError(message, [Problem("", "missing_header", message)])
