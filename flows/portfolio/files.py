"""The result files of a batch, for their owner alone: decisions, rejects, summary."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from pathlib import Path

import sqlalchemy as sa

from data.contracts.batch import BatchSummary
from flows.portfolio import results
from flows.portfolio.report import markdown_of
from flows.runtime.host.private_file import private_file
from flows.runtime.ledger import chunks
from flows.runtime.ledger.database import Ledger

DECISIONS, REJECTS = "decisions.jsonl", "rejects.jsonl"
SUMMARY, REPORT = "summary.json", "summary.md"


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
    with private_file(path) as file:
        for line in lines:
            file.write(line + b"\n")


async def write_as_it_comes(path: Path, pieces: AsyncIterable[bytes]) -> int:
    """Write a file like `write_lines`, from pieces that come over a network; returns its lines."""
    lines = 0
    with private_file(path) as file:
        async for piece in pieces:
            file.write(piece)
            lines += piece.count(b"\n")
    return lines
