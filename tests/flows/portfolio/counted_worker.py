"""A Dask worker that notes each chunk whose rows it reads: `--preload` names this module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from data.contracts.portfolio import PortfolioChunk, PortfolioRow, RejectedRow
from flows.portfolio import chunk
from tools.portfolio.reader import read_chunk

NOTES = "TEST_EXECUTED_CHUNKS"
"""Names the file that the workers write to, a line for each execution."""


def _noted(path: Path, place: PortfolioChunk) -> Iterator[PortfolioRow | RejectedRow]:
    with Path(os.environ[NOTES]).open("a") as notes:
        notes.write(f"{place.number}\n")
    return read_chunk(path, place)


def dask_setup(_: object) -> None:
    """Dask calls this in its worker, and no test that imports this module does."""
    patch.object(chunk, "read_chunk", _noted).start()
