"""Records: the rows of a portfolio as the file holds them, before they are read as cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

from data.contracts.errors import CreditDeskError, Problem

MAX_ROW_BYTES = 2 * 1024 * 1024
"""The largest row. It is as large as the largest body of `POST /runs`."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Content = TypeVar("Content")


class RowRefusedError(CreditDeskError, ValueError):
    """A row cannot be read. The message names the field and repeats no value."""

    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.problem = Problem(pointer, code, message)


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: a byte and its line; in Parquet, the rows before it and the next row."""

    offset: int
    line: int


BEGINNING = Start(0, 1)


@dataclass(frozen=True, slots=True)
class Record(Generic[Content]):
    """One row of the file."""

    offset: int
    line: int
    content: Content | RowRefusedError
    """What the file holds, or why the file's own form makes the row unreadable."""


class Source(Protocol[Content]):
    """One portfolio file. Every call of `records` opens the file for itself."""

    def __init__(self, path: Path) -> None: ...

    def records(self, start: Start = BEGINNING) -> Iterator[Record[Content]]:
        """All rows from a start, in constant memory. A start is that of an earlier record."""

    def outlines(self) -> Iterator[tuple[Record[Content], object]]:
        """All rows, each with as much of its plain value as tells its application id."""

    def value(self, content: Content) -> object:
        """The plain value of a row: objects, lists, texts. Raises RowRefusedError."""


def numbered_lines(file: BinaryIO, start: Start) -> Iterator[tuple[Start, bytes | None]]:
    """Every line from a start, with its end; None for a line that is too large to hold.

    Only a line feed ends a line, as JSON Lines and CSV want it.
    """
    file.seek(start.offset)
    offset, line = start.offset, start.line
    while raw := file.readline(MAX_ROW_BYTES + 1):
        size, whole = len(raw), len(raw) <= MAX_ROW_BYTES
        if not whole:
            size += _skip_line(file, raw)
        yield Start(offset, line), raw if whole else None
        offset, line = offset + size, line + 1


def _skip_line(file: BinaryIO, raw: bytes) -> int:
    skipped = 0
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(MAX_ROW_BYTES)
        skipped += len(raw)
    return skipped


def too_large(
    pointer: str = "", subject: str = "row", limit: int = MAX_ROW_BYTES
) -> RowRefusedError:
    """The refusal of a row or file above a limit of bytes."""
    message = f"the {subject} is too large: at most {limit:,} bytes are read"
    return RowRefusedError(pointer, "too_large", message)
