"""The result files of a batch, for their owner alone: decisions, rejects, summary."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from data.contracts.batch import BatchSummary
from flows.portfolio import results
from flows.portfolio.report import markdown_of
from flows.runtime.ledger import chunks
from flows.runtime.ledger.database import Ledger

DECISIONS, REJECTS = "decisions.jsonl", "rejects.jsonl"
SUMMARY, REPORT = "summary.json", "summary.md"

_OWNER_ONLY = 0o600


def write_results(ledger: Ledger, summary: BatchSummary, folder: Path) -> None:
    """Write all files of a batch from the ledger; the files of an earlier time are replaced."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    batch_id = summary.batch_id
    write_lines(folder / DECISIONS, of_chunks(ledger, batch_id, results.lines))
    write_lines(folder / REJECTS, of_chunks(ledger, batch_id, chunks.rejects))
    write_summary(summary, folder)


def write_summary(summary: BatchSummary, folder: Path) -> None:
    """Write the summary, for programs and for people."""
    write_lines(folder / SUMMARY, [summary.model_dump_json(indent=2).encode()])
    write_lines(folder / REPORT, [markdown_of(summary).encode()])


def of_chunks(
    ledger: Ledger, batch_id: str, read: Callable[[sa.Connection, str, int], list[bytes]]
) -> Iterator[bytes]:
    """The documents of all finished chunks, in the order of the file, one chunk in memory."""
    with ledger.reading() as connection:
        numbers = chunks.numbers(connection, batch_id)
    for number in numbers:
        with ledger.reading() as connection:
            found = read(connection, batch_id, number)
        yield from found


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    with _whole(path) as file:
        for line in lines:
            file.write(line + b"\n")


async def write_lines_as_they_come(path: Path, lines: AsyncIterable[bytes]) -> None:
    """Write a file like `write_lines` from lines that come over a network."""
    with _whole(path) as file:
        async for line in lines:
            file.write(line + b"\n")


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is complete."""
    unfinished = path.with_name(f".{path.name}.part")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _OWNER_ONLY)
        yield file
    unfinished.replace(path)
