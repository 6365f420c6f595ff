"""Reading a portfolio: its digest and an index first, then chunks of rows, each read by itself.

A portfolio may be larger than the memory of the machine. Every pass holds one row at a time. The
index also remembers every application id of the file, to find those that are given twice.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data.contracts.errors import (
    ContractViolationError,
    Problem,
    RecordCorruptError,
    RecordNotFoundError,
)
from data.contracts.portfolio import (
    MOST_PROBLEMS,
    PortfolioChunk,
    PortfolioFormat,
    PortfolioIndex,
    PortfolioRow,
    RejectedRow,
    RepeatedRow,
)
from tools.bundles import read_case
from tools.portfolio.csv_table import CsvTable
from tools.portfolio.jsonl import JsonLines
from tools.portfolio.parquet_table import ParquetTable
from tools.portfolio.records import Record, RowRefusedError, Source, Start
from tools.portfolio.row_files import PATH_NOT_ALLOWED, application_id_of, with_files

CHUNK_ROWS = 500

_log = logging.getLogger(__name__)

_SOURCES: dict[PortfolioFormat, type[Source[Any]]] = {
    PortfolioFormat.JSONL: JsonLines,
    PortfolioFormat.CSV: CsvTable,
    PortfolioFormat.PARQUET: ParquetTable,
}


def index_portfolio(path: Path, chunk_rows: int = CHUNK_ROWS) -> PortfolioIndex:
    """Digest a portfolio, count its rows, and find where every chunk of `chunk_rows` begins.

    The index does not check rows. It marks each row that repeats the application id of an earlier
    row, good or bad: the first one counts. Raises RecordNotFoundError without the file,
    ContractViolationError for a file that is no portfolio, and RecordCorruptError for one that is
    written to meanwhile.
    """
    format, source = _opened(path)
    before = path.stat()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    first_lines: dict[str, int] = {}
    chunks: list[PortfolioChunk] = []
    rows = _rows(source, path.parent, first_lines)
    while found := _next_chunk(rows, len(chunks), chunk_rows):
        chunks.append(found)
    if _state_of(path.stat()) != _state_of(before):
        raise RecordCorruptError(f"{path.name} has changed while it was indexed: index it again")
    return PortfolioIndex(
        format=format,
        sha256=digest,
        size_bytes=before.st_size,
        rows=sum(chunk.rows for chunk in chunks),
        chunks=tuple(chunks),
    )


def read_chunk(path: Path, chunk: PortfolioChunk) -> Iterator[PortfolioRow | RejectedRow]:
    """The rows of one chunk in their order, each accepted or rejected. No bad row ends the reading.

    Raises RecordNotFoundError without the file, and RecordCorruptError when the file has lost
    rows since it was indexed.
    """
    _, source = _opened(path)
    first_lines = {repeated.row: repeated.first_line for repeated in chunk.repeats}
    records = source.records(Start(chunk.offset, chunk.first_line))
    row = chunk.first_row - 1
    for row, record in enumerate(islice(records, chunk.rows), start=chunk.first_row):
        if row in first_lines:
            yield _rejected(row, record, [_repeats(first_lines[row])])
        else:
            yield _read(source, row, record, path.parent)
    if row < chunk.first_row + chunk.rows - 1:
        raise RecordCorruptError(f"{path.name} has changed since it was indexed: index it again")


def _state_of(found: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file is written to or replaced."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def _opened(path: Path) -> tuple[PortfolioFormat, Source[Any]]:
    if not path.is_file():
        raise RecordNotFoundError(f"there is no portfolio {path.name}")
    try:
        format = PortfolioFormat(path.suffix.removeprefix(".").lower())
    except ValueError:
        endings = ", ".join(f".{format}" for format in PortfolioFormat)
        message = f"the name of a portfolio ends in one of {endings}"
        raise ContractViolationError(message, [Problem("", "unknown_format", message)]) from None
    return format, _SOURCES[format](path)


def _rows(
    source: Source[Any], folder: Path, first_lines: dict[str, int]
) -> Iterator[tuple[Record[Any], int | None]]:
    """Every row, with the line of an earlier row that has the same application id."""
    for record, outline in source.outlines():
        chosen = application_id_of(outline, folder)
        first = first_lines.setdefault(chosen, record.line) if chosen is not None else record.line
        yield record, None if first == record.line else first


def _next_chunk(
    rows: Iterator[tuple[Record[Any], int | None]], number: int, size: int
) -> PortfolioChunk | None:
    first = next(rows, None)
    if first is None:
        return None
    first_row, count = number * size + 1, 0
    repeats: list[RepeatedRow] = []
    for row, (_, first_line) in enumerate(chain([first], islice(rows, size - 1)), start=first_row):
        count += 1
        if first_line is not None:
            repeats.append(RepeatedRow(row=row, first_line=first_line))
    return PortfolioChunk(
        number=number,
        offset=first[0].offset,
        first_row=first_row,
        first_line=first[0].line,
        rows=count,
        repeats=tuple(repeats),
    )


def _read(
    source: Source[Any], row: int, record: Record[Any], folder: Path
) -> PortfolioRow | RejectedRow:
    try:
        if isinstance(record.content, RowRefusedError):
            raise record.content
        case = read_case(with_files(source.value(record.content), folder))
    except RowRefusedError as refused:
        return _rejected(row, record, [refused.problem])
    except ValidationError as error:
        violation = ContractViolationError.of("the row", error)
        return _rejected(row, record, violation.problems)
    return PortfolioRow(row=row, line=record.line, case=case)


def _rejected(row: int, record: Record[Any], problems: Iterable[Problem]) -> RejectedRow:
    found = tuple(islice(problems, MOST_PROBLEMS))
    if any(problem.code == PATH_NOT_ALLOWED for problem in found):
        _log.warning("security: line %d names a file outside of its folder", record.line)
    return RejectedRow(row=row, line=record.line, problems=found)


def _repeats(first_line: int) -> Problem:
    message = f"line {first_line} has the same application id: the first one counts"
    return Problem("/application/application_id", "duplicate_application", message)
