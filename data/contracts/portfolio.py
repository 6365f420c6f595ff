"""A portfolio: one file with many applications, read in chunks.

The index of a portfolio says where each chunk begins, so that a task gets a path and a chunk
instead of rows. A row is accepted as a case or rejected with its problems; the other rows go on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Sha256
from data.contracts.case import CaseFile
from data.contracts.errors import Problem

MOST_PROBLEMS = 20
"""The most problems that a rejected row names."""

_Whole = Annotated[int, Field(strict=True, ge=0)]
_FromOne = Annotated[int, Field(strict=True, ge=1)]


class PortfolioFormat(StrEnum):
    """The form of a portfolio; the value is the ending of its file name."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class RepeatedRow(Contract):
    """A row whose application id stands in an earlier row of the same file."""

    row: _FromOne
    first_line: _FromOne
    """The line of the earlier row."""


class PortfolioChunk(Contract):
    """Consecutive rows of a portfolio. With the path it is all that a task needs to read them."""

    number: _Whole
    """Chunks count from 0."""
    offset: _Whole
    """The byte at which the first row begins; in Parquet, the number of rows before it."""
    first_row: _FromOne
    first_line: _FromOne
    """The first row's line in the file. In Parquet, lines are rows."""
    rows: _FromOne
    repeats: tuple[RepeatedRow, ...] = ()


class PortfolioIndex(Contract):
    """What a portfolio is, and where its chunks begin. Bad rows count as rows."""

    format: PortfolioFormat
    sha256: Sha256
    """The digest of the file's bytes: equal files are the same portfolio under any name."""
    size_bytes: _Whole
    rows: _Whole
    chunks: tuple[PortfolioChunk, ...]


class PortfolioRow(Contract):
    """An accepted row."""

    row: _FromOne
    line: _FromOne
    case: CaseFile


class RejectedRow(Contract):
    """A row that is not a case, as the rejects file names it."""

    row: _FromOne
    line: _FromOne
    """The row's first line in the file, as an editor counts."""
    problems: Annotated[tuple[Problem, ...], Field(min_length=1)]
    """The first problems, at most `MOST_PROBLEMS`. They name fields and repeat no values. In the
    pointers of a CSV file, `/` stands for the dots of the column's name."""
