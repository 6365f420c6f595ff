"""Parquet: columns with dotted names as in CSV, or nested ones, or both. A null is a missing field.

It needs the extra `parquet`. A chunk in the middle of a row group costs reading the group up to
it, so write groups of some thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

from data.contracts.errors import ExtraMissingError, RecordCorruptError
from tools.portfolio.columns import Columns
from tools.portfolio.records import BEGINNING, Record, RowRefusedError, Start

_BATCH_ROWS = 100
"""Rows that are decoded at a time."""

_BUFFER_BYTES = 1024 * 1024

Cells = tuple[object, ...]

_ID = "application.application_id"


class ParquetTable:
    """A portfolio in Parquet. Offsets count rows, and lines are rows.

    Raises ExtraMissingError without pyarrow, RecordCorruptError when the file is not Parquet, and
    ContractViolationError for unknown columns.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError:
            raise ExtraMissingError("parquet", "Parquet portfolios") from None
        try:
            # Buffered reading: a row group is otherwise held in memory as a whole.
            self._file = pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES)
        except (pyarrow.ArrowException, OSError):
            raise RecordCorruptError(f"{path.name} is not a Parquet file") from None
        self._names: list[str] = self._file.schema_arrow.names
        self._columns = Columns(self._names)

    def records(self, start: Start = BEGINNING) -> Iterator[Record[Cells]]:
        for row, content in self._rows(start.offset, None):
            yield Record(row, row + 1, content)

    def outlines(self) -> Iterator[tuple[Record[Cells], object]]:
        schema = self._file.schema
        paths = {schema.column(number).path for number in range(len(schema))}
        wanted = _ID if _ID in paths else "application"
        columns = Columns([name for name in self._names if name in (wanted, "application")])
        for row, content in self._rows(0, [wanted]):
            outline = None if isinstance(content, RowRefusedError) else columns.nested(content)
            yield Record(row, row + 1, content), outline

    def value(self, content: Cells) -> object:
        return self._columns.nested([_without_nulls(value) for value in content])

    def _rows(
        self, skip: int, columns: list[str] | None
    ) -> Iterator[tuple[int, Cells | RowRefusedError]]:
        """The cells of every row after the first `skip` ones."""
        row = 0
        for group in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(group).num_rows
            if row + size <= skip:
                row += size
                continue
            for batch in self._file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
                unread = batch.slice(max(0, skip - row))
                row += batch.num_rows
                yield from enumerate(_cells(unread), start=row - unread.num_rows)


def _cells(batch: Any) -> Iterator[Cells | RowRefusedError]:
    """The cells of each row. A text that is not UTF-8 spoils its own row and no other."""
    try:
        cells = [column.to_pylist() for column in batch.columns]
    except ValueError:
        if batch.num_rows == 1:
            yield RowRefusedError("", "malformed_parquet", "a value of the row cannot be read")
        else:
            for row in range(batch.num_rows):
                yield from _cells(batch.slice(row, 1))
    else:
        yield from zip(*cells, strict=True) if cells else repeat((), batch.num_rows)


def _without_nulls(value: Any) -> Any:
    """A nested value without missing fields. Parquet gives every field to every object."""
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
