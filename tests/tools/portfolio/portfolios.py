"""Small portfolios of the personas, and the rows that come back when they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.contracts.case import CaseFile
from data.contracts.portfolio import PortfolioRow, RejectedRow
from data.synthetic import personas
from tools.portfolio.reader import index_portfolio, read_chunk

CASES = tuple(describe().case for describe in personas.PERSONAS)
ADA, BEN = CASES[0], CASES[1]


def bundle(case: CaseFile = ADA, application_id: str | None = None) -> dict[str, Any]:
    """The plain value of a case, as a sender writes it."""
    value = case.model_dump(mode="json")
    if application_id is not None:
        value["application"]["application_id"] = application_id
    return value


def row(case: CaseFile = ADA, application_id: str | None = None) -> bytes:
    return json.dumps(bundle(case, application_id), ensure_ascii=False).encode()


def lines_of(folder: Path, *lines: bytes, name: str = "applications.jsonl") -> Path:
    """A portfolio with these lines."""
    path = folder / name
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def read(path: Path, chunk_rows: int = 500) -> list[PortfolioRow | RejectedRow]:
    """All rows of a portfolio, read chunk by chunk."""
    index = index_portfolio(path, chunk_rows)
    return [found for chunk in index.chunks for found in read_chunk(path, chunk)]


def told(rows: list[PortfolioRow | RejectedRow]) -> list[tuple[int, str]]:
    """The line of every row with its application id, or pointer and code of its first problem."""
    return [
        (found.line, found.case.application.application_id)
        if isinstance(found, PortfolioRow)
        else (found.line, f"{found.problems[0].pointer} {found.problems[0].code}")
        for found in rows
    ]
