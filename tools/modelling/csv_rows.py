"""Rows of a CSV file that a lender gives, with errors that name file and line and no value."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from data.contracts.errors import ContractViolationError


def csv_rows(path: Path, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Every row by column, with its line. The first line has to name the `required` columns.

    Raises ContractViolationError when the file cannot be read or is no such CSV.
    """
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = _columns(path, next(reader, []), required)
            for cells in reader:
                line = reader.line_num
                if not cells:
                    continue
                if len(cells) != len(columns):
                    raise ContractViolationError(
                        f"{path.name}, line {line}: {len(cells)} cells, and the first line has"
                        f" {len(columns)}: give each line as many"
                    )
                yield line, dict(zip(columns, map(str.strip, cells), strict=True))
    except UnicodeDecodeError:
        raise ContractViolationError(f"{path.name} is not UTF-8: save it as UTF-8") from None
    except csv.Error:
        raise ContractViolationError(
            f"{path.name}, after line {line}: not CSV: check its quotes"
        ) from None
    except OSError as error:
        raise ContractViolationError(f"{path} cannot be read: {error.strerror}") from None


def _columns(path: Path, first: list[str], required: tuple[str, ...]) -> list[str]:
    columns = [name.strip() for name in first]
    lacking = [name for name in required if name not in columns]
    if lacking:
        raise ContractViolationError(
            f"{path.name} has no column {lacking[0]}: the first line has to name"
            f" {' and '.join(required)}, separated by commas"
        )
    if len(set(columns)) < len(columns) or not all(columns):
        raise ContractViolationError(f"{path.name}: the first line has to name each column once")
    return columns


def refuse_twice(path: Path, lines: dict[str, int], application_id: str, line: int) -> None:
    """Note the line of an application. Raises ContractViolationError when it has one already."""
    first = lines.setdefault(application_id, line)
    if first != line:
        raise ContractViolationError(
            f"{path.name}, line {line}, column application_id: the application is in line {first}"
            " already: keep one line for each"
        )
