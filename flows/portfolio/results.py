"""The results of a batch, read from the ledger: lines with the rulings of today, totals, summary.

A chunk's lines stay as they were written. What people ruled on referred cases since then is laid
over them when they are read.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from data.contracts.base import canonical_json
from data.contracts.batch import (
    BatchSummary,
    BatchTotals,
    LineStatus,
    RejectedLine,
    Reviewed,
)
from data.contracts.runs import Failure, RunOptions
from data.settings import Settings
from flows.runtime.host.links import batch_links
from flows.runtime.ledger import batches, chunks, decisions, referrals
from flows.runtime.ledger.batches import Batch

FIRST_FAULTS = 10


def summary(connection: sa.Connection, settings: Settings, batch: Batch) -> BatchSummary:
    """A batch as it stands now."""
    done = chunks.totals(connection, batch.batch_id)
    totals = BatchTotals.together(BatchTotals.model_validate(part) for part in done)
    is_done = bool(batch.chunks) and len(done) == batch.chunks
    seconds = batch.seconds
    return BatchSummary(
        batch_id=batch.batch_id,
        file_name=batch.file_name,
        sha256=batch.sha256,
        status=batch.status,
        options=RunOptions.model_validate(batch.options),
        progress=round(totals.rows / batch.rows, 4) if batch.rows else 0.0,
        chunks=batch.chunks,
        chunks_done=len(done),
        rows=batch.rows,
        taken_over=batch.taken_over,
        starts=batch.starts,
        totals=totals,
        reviews=_reviewed(connection, batch.batch_id),
        seconds=round(seconds, 3),
        rows_per_second=round(totals.rows / seconds, 1) if seconds else 0.0,
        chain=chunks.chain_of(connection, batch.batch_id) if is_done else "",
        error=Failure.model_validate(batch.error) if batch.error else None,
        faults=_faults(connection, batch.batch_id) if totals.rows and not totals.accepted else (),
        trace_id=batch.trace_id,
        created_at=batch.created_at,
        updated_at=batch.updated_at,
        links=batch_links(settings, batch.batch_id, batch.flow_run_id, batch.trace_id),
    )


def lines(connection: sa.Connection, batch_id: str, number: int) -> list[bytes]:
    """The lines of a finished chunk, each with what people have ruled by now."""
    written = chunks.lines(connection, batch_id, number)
    runs = referrals.run_ids(connection, batch_id, number)
    if not runs:
        return written
    decided = decisions.with_envelope(connection, list(runs.values()))
    return [_with_ruling(line, runs, decided) for line in written]


def _with_ruling(line: bytes, runs: dict[int, str], decided: dict[str, dict[str, Any]]) -> bytes:
    document = json.loads(line)
    run_id = runs.get(document["line"])
    if run_id is None:
        return line
    document["run_id"] = run_id
    if (decision := decided.get(run_id)) is not None:
        document |= {
            "status": LineStatus.DECIDED.value,
            "outcome": decision["content"]["outcome"],
            "decision_id": decision["decision_id"],
            "decided_at": decision["decided_at"],
            "content": decision["content"],
            "content_sha256": decision["content_sha256"],
        }
    return canonical_json(document)


def _reviewed(connection: sa.Connection, batch_id: str) -> Reviewed:
    counted = referrals.counts(connection, batch_id)
    return Reviewed(
        pending=counted.get(referrals.PENDING, 0),
        open=counted.get(referrals.OPEN, 0),
        ended=counted.get(referrals.ENDED, 0),
        outcomes=referrals.outcomes(connection, batch_id) if counted else {},
    )


def _faults(connection: sa.Connection, batch_id: str) -> tuple[RejectedLine, ...]:
    found: list[RejectedLine] = []
    for number in chunks.numbers(connection, batch_id):
        rejected = chunks.rejects(connection, batch_id, number)
        found += [RejectedLine.model_validate_json(line) for line in rejected]
        if len(found) >= FIRST_FAULTS:
            break
    return tuple(found[:FIRST_FAULTS])


def find(connection: sa.Connection, settings: Settings, batch_id: str) -> BatchSummary:
    """One batch. Raises RecordNotFoundError."""
    return summary(connection, settings, batches.find(connection, batch_id))
