"""A CSV as columns of text, whatever spreadsheet wrote it.

A byte-order mark, UTF-16 and Windows-1252, a first line `sep=;`, semicolons or tabs, quotes and
decimal commas are understood. A missing cell is None. Errors name the line or the column and the
next step, and never a value.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from data.contracts.errors import ContractViolationError, RecordNotFoundError

MISSING = frozenset({"", "?", ".", "na", "n/a", "nan", "null", "<na>", "#n/a"})
_SEPARATORS = ",;\t|"
_SAID = re.compile(r"sep=([,;\t|])\r?\n")
"""A first line by which Excel is told the separator."""
_THOUSANDS = re.compile(r"-?\d{1,3}(\.\d{3})+,\d+")
_WRITTEN = re.compile(r"(?P<minus>-)?[$€£]?(?P<digits>(\d{1,3}([,' ]\d{3})+|\d+)(\.\d+)?) ?[%€]?")
"""A number as people write it: `$1,234.50`, `12.5%`, `1'000`."""

Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class Table:
    """Named columns of equal length."""

    name: str
    sha256: str
    columns: dict[str, Cells]
    remarks: tuple[str, ...] = ()
    """What the reader had to assume."""

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> Cells:
        """The cells of a column. Raises ContractViolationError for an unknown name."""
        if name not in self.columns:
            known = ", ".join(list(self.columns)[:12])
            raise ContractViolationError(
                f"{self.name} has no column {name!r}: choose one of its header ({known} …)"
            )
        return self.columns[name]

    def only(self, rows: list[int]) -> Table:
        """The same table with some of its rows."""
        kept = {name: tuple(cells[row] for row in rows) for name, cells in self.columns.items()}
        return replace(self, columns=kept)


def read_table(path: Path) -> Table:
    """Read a CSV. Raises RecordNotFoundError or ContractViolationError, which name the file."""
    try:
        raw = path.read_bytes()
    except OSError:
        raise RecordNotFoundError(f"there is no readable file {path.name}") from None
    text, remarks = _decoded(path.name, raw)
    said = _SAID.match(text)
    text = text[said.end() :] if said else text
    separator = said[1] if said else _separator(text)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise ContractViolationError(
            f"{path.name}: not a CSV ({error}); check its quotes"
        ) from None
    header, body = _parted(path.name, lines)
    columns = {
        name: tuple(_cell(line[at], separator) for _, line in body)
        for at, name in enumerate(header)
    }
    return Table(path.name, hashlib.sha256(raw).hexdigest(), columns, remarks)


def number_in(cell: str | None) -> float:
    """The number in a cell; NaN for a missing cell and for text.

    `$1,234.50` is 1234.5, and `12.5%` is 12.5.
    """
    if cell is None:
        return math.nan
    try:
        found = float(cell)
    except ValueError:
        return _as_written(cell)
    return found if math.isfinite(found) and "_" not in cell else math.nan


def _as_written(cell: str) -> float:
    written = _WRITTEN.fullmatch(cell)
    if written is None:
        return math.nan
    number = float(re.sub("[,' ]", "", written["digits"]))
    return -number if written["minus"] else number


def _decoded(name: str, raw: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what had to be assumed to read it."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace"), ()
    if b"\0" in raw:
        raise ContractViolationError(f"{name} is no text: save the table as CSV in UTF-8")
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        remark = f"{name}, line {line}: not UTF-8, so the file is read as Windows-1252"
        return raw.decode("cp1252", errors="replace"), (remark,)


def _separator(text: str) -> str:
    first = text.lstrip().split("\n", 1)[0]
    outside = "".join(first.split('"')[::2])
    return max(_SEPARATORS, key=outside.count)


def _parted(name: str, lines: list[list[str]]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    filled = [(at, line) for at, line in enumerate(lines, start=1) if any(map(str.strip, line))]
    if len(filled) < 2:
        raise ContractViolationError(f"{name}: a header and at least one row are needed")
    header = [cell.strip() for cell in filled[0][1]]
    header = [cell or f"column_{at}" for at, cell in enumerate(header, start=1)]
    if twice := sorted({cell for cell in header if header.count(cell) > 1}):
        raise ContractViolationError(
            f"{name}: the column {twice[0]!r} stands twice in the header: rename one"
        )
    for at, line in filled[1:]:
        if len(line) != len(header):
            raise ContractViolationError(
                f"{name}, row {at}: {len(line)} cells instead of {len(header)}; quote cells that"
                " hold a separator"
            )
    return header, filled[1:]


def _cell(cell: str, separator: str) -> str | None:
    text = cell.strip()
    if text.lower() in MISSING:
        return None
    if separator != "," and _THOUSANDS.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if separator != "," and text.count(",") == 1 and text.replace(",", "").lstrip("-").isdigit():
        return text.replace(",", ".")
    return text
