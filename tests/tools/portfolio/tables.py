"""Portfolios as tables, written independently of the reader: dotted columns, one bundle a row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts.case import CaseFile
from tools.portfolio.csv_cells import is_formula


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """A nested value by dotted names, without missing values."""
    if isinstance(value, dict):
        parts = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(str(position), part) for position, part in enumerate(value)]
    else:
        leaf = value.value if isinstance(value, Enum) else value
        return {} if leaf is None else {name: leaf}
    return {
        inner: leaf
        for key, part in parts
        for inner, leaf in flat(part, f"{name}.{key}" if name else key).items()
    }


def csv_of(folder: Path, cases: Iterable[CaseFile]) -> Path:
    """A portfolio in CSV. A missing value is an empty cell."""
    path = folder / "applications.csv"
    write_table(path, [flat(case.model_dump(mode="json")) for case in cases])
    return path


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of a CSV with a header. An apostrophe keeps a spreadsheet from running a cell."""
    columns = sorted({name for row in rows for name in row})
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([cell_of(row.get(column)) for column in columns] for row in rows)


def cell_of(value: Any) -> str:
    """A value as a spreadsheet's export writes it: an apostrophe stands before a formula."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if is_formula(text.lstrip("'")) else text


def parquet_of(folder: Path, cases: Iterable[CaseFile], group: int = 1000) -> Path:
    """A portfolio in Parquet with one typed column a field."""
    rows = [flat(case.model_dump()) for case in cases]
    names = sorted({name for row in rows for name in row})
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    path = folder / "applications.parquet"
    pq.write_table(table, path, row_group_size=group)
    return path


def nested_parquet_of(folder: Path, cases: Iterable[CaseFile], group: int = 1000) -> Path:
    """A portfolio in Parquet with one nested column a part of the bundle."""
    table = pa.Table.from_pylist([case.model_dump(mode="json") for case in cases])
    path = folder / "applications.parquet"
    pq.write_table(table, path, row_group_size=group)
    return path
