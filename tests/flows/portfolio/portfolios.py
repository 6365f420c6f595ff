"""Small portfolios of the synthetic applicants, and a batch taken through all its chunks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data.contracts.base import canonical_json
from data.contracts.batch import BatchSummary
from data.contracts.case import CaseFile
from data.contracts.review import Person
from data.contracts.runs import RunOptions
from data.settings import settings
from flows.portfolio import driver, results
from flows.portfolio.chunk import underwrite_chunk
from flows.portfolio.inbox import digest_of
from flows.runtime.ledger import batch_driver, batches
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger
from tools.case_files import case_ids, load_persona


def cases(prefix: str, *names: str) -> list[CaseFile]:
    """Copies of these synthetic applicants, or of all, under ids of a test's own."""
    data_dir = settings().data_dir
    return [
        load_persona(data_dir, name).case.renamed(f"{prefix}-{name}")
        for name in names or case_ids(data_dir)
    ]


def write_portfolio(path: Path, rows: Iterable[CaseFile | str]) -> Path:
    """A portfolio in JSON Lines; a text is a row as it is."""
    lines = [row if isinstance(row, str) else canonical_json(row).decode() for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def entered(ledger: Ledger, path: Path, *, is_copy: bool = False, **options: Any) -> Batch:
    """A batch in the register."""
    with ledger.writing() as connection:
        batch, _ = batches.register(
            connection,
            digest_of(path),
            RunOptions(**options).model_dump(mode="json"),
            path=str(path),
            file_name=path.name,
            is_copy=is_copy,
            submitted_by=Person(name="Ola"),
        )
    return batch


def begun(ledger: Ledger, path: Path, **options: Any) -> tuple[Batch, list[dict[str, Any]]]:
    """A batch under way, and its chunks."""
    batch = entered(ledger, path, **options)
    with ledger.writing() as connection:
        batch = batch_driver.begin(connection, batch.batch_id, "flow-run", 0)
    chunks = driver._index(settings(), ledger, batch)
    with ledger.reading() as connection:
        return batches.find(connection, batch.batch_id), chunks


def done(ledger: Ledger, path: Path, **options: Any) -> Batch:
    """A batch of which every chunk is finished, in this process."""
    batch, chunks = begun(ledger, path, **options)
    for chunk in chunks:
        assert underwrite_chunk(batch.batch_id, str(path), chunk) == "finished"
    return batch


def lines_of(ledger: Ledger, batch: Batch) -> dict[str, dict[str, Any]]:
    """The lines of a batch, by application."""
    with ledger.reading() as connection:
        plan = batches.plan(connection, batch.batch_id)
        found = [
            json.loads(line)
            for chunk in plan
            for line in results.lines(connection, batch.batch_id, chunk["number"])
        ]
    return {line["application_id"]: line for line in found}


def summary_of(ledger: Ledger, batch: Batch) -> BatchSummary:
    with ledger.reading() as connection:
        return results.find(connection, settings(), batch.batch_id)
