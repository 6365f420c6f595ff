"""The inbox: a folder whose files the scheduled batch takes, each once.

A file that is still being written is left alone: one that changed within the last seconds, is
hidden, or whose name ends as files under way do. A file that is done is moved to `done/` or
`failed/`, into a folder of its own with its results and a manifest.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.context import Context

from data import traces
from data.contracts.base import Contract, Moment, Sha256
from data.contracts.batch import BatchSummary
from data.contracts.errors import RecordNotFoundError
from data.contracts.review import Person
from data.contracts.runs import RunOptions, RunStatus
from data.settings import Settings
from flows.portfolio.decisions_table import require_installed, write_table
from flows.portfolio.file_names import ENDINGS, ending_of, shown_name
from flows.portfolio.files import write_lines, write_results
from flows.runtime.ledger import batches
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import promised_traceparent

_OPTIONS = RunOptions().model_dump(mode="json")

QUIET_SECONDS = 5.0
"""A file that changed so lately may still be written to."""
MANIFEST = "manifest.json"

_tracer = trace.get_tracer("credit_desk.runtime")
log = logging.getLogger(__name__)


class Manifest(Contract):
    """What became of a file of the inbox."""

    file_name: str
    sha256: Sha256
    bytes: int
    batch_id: str
    status: RunStatus
    code: str = ""
    """Why it failed."""
    put_away_at: Moment


@dataclass(frozen=True)
class FoundFile:
    """A file of the inbox, and the batch that it became."""

    path: Path
    sha256: str
    batch_id: str


async def enter_files(settings: Settings, ledger: Ledger, flow_run_id: str) -> list[FoundFile]:
    """Enter a batch for every file of the inbox that is complete, in the order of their names.

    A file whose content was a batch already belongs to that batch. It is left where it is while
    another flow run than this drives it, and while it cannot be read.
    """
    if settings.batch_parquet:
        require_installed()  # before anything is decided
    found = []
    for path in await asyncio.to_thread(complete_files, settings.inbox):
        try:
            sha256 = await asyncio.to_thread(digest_of, path)
            placed_at = await asyncio.to_thread(_placed_at, path)
        except OSError as error:
            _log_skipped(path, error)
            continue
        # The root of the batch's trace is sent now: the job that drives it may be killed.
        about = {traces.CONVERSATION_ID: batches.batch_id_of(sha256, _OPTIONS)}
        with _tracer.start_as_current_span("take from inbox", Context(), attributes=about):
            batch = await ledger.write(_enter, path, sha256, placed_at, flow_run_id)
        if batch.flow_run_id == flow_run_id or batch.status not in batches.DRIVEN:
            found.append(FoundFile(path, sha256, batch.batch_id))
    return found


def _enter(
    connection: sa.Connection, path: Path, sha256: str, placed_at: datetime, flow_run_id: str
) -> Batch:
    """The batch of a file. One that was cancelled after the file had come stays cancelled."""
    with suppress(RecordNotFoundError):
        known = batches.find(connection, batches.batch_id_of(sha256, _OPTIONS), lock=True)
        ended_at = datetime.fromisoformat(known.updated_at)
        if known.status is RunStatus.CANCELLED and placed_at < ended_at:
            return known
    batch, _ = batches.register(
        connection,
        sha256,
        _OPTIONS,
        path=str(path),
        file_name=shown_name(path.name),
        is_copy=False,
        traceparent=promised_traceparent(),
        submitted_by=Person(name="inbox"),
        flow_run_id=flow_run_id,
    )
    return batch


def _placed_at(path: Path) -> datetime:
    """When a file came to its place. A file that is moved keeps its time of change."""
    return datetime.fromtimestamp(path.stat().st_ctime, UTC)


async def put_away(
    settings: Settings, ledger: Ledger, found: FoundFile, summary: BatchSummary
) -> BatchSummary:
    """Move a file whose batch is done, with its results.

    One that is not done stays, and so does one that cannot be moved.
    """
    if summary.status.has_ended or summary.status is RunStatus.WAITING:
        try:
            await asyncio.to_thread(_move, settings, ledger, found, summary)
        except OSError as error:
            _log_skipped(found.path, error)
    return summary


def complete_files(inbox: Path) -> list[Path]:
    """The portfolios in the inbox that no process writes to any more, as far as can be seen."""
    if not inbox.is_dir():
        return []
    quiet = time.time() - QUIET_SECONDS
    return sorted(path for path in inbox.iterdir() if _is_complete(path, quiet))


def _is_complete(path: Path, quiet: float) -> bool:
    if ending_of(path.name) not in ENDINGS or path.name.startswith("."):
        return False
    try:
        found = path.lstat()
    except OSError as error:
        _log_skipped(path, error)
        return False
    return stat.S_ISREG(found.st_mode) and found.st_mtime < quiet


def _log_skipped(path: Path, error: OSError) -> None:
    log.warning("%s is left for the next time: %s", shown_name(path.name), error.strerror)


def digest_of(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _move(settings: Settings, ledger: Ledger, found: FoundFile, summary: BatchSummary) -> None:
    """Results first, the file last: a process that dies in between finds the file again."""
    is_good = summary.status in {RunStatus.COMPLETED, RunStatus.WAITING}
    folder = settings.inbox / ("done" if is_good else "failed") / _folder_name(found)
    write_results(ledger, summary, folder)
    if settings.batch_parquet:
        write_table(folder)
    manifest = Manifest(
        file_name=found.path.name,
        sha256=found.sha256,
        bytes=found.path.stat().st_size,
        batch_id=found.batch_id,
        status=summary.status,
        code=summary.error.code if summary.error else "",
        put_away_at=datetime.now(UTC),
    )
    write_lines(folder / MANIFEST, [manifest.model_dump_json(indent=2).encode()])
    found.path.replace(folder / found.path.name)
    log.info("batch %s: the file was moved to %s", found.batch_id, folder.parent.name)


def _folder_name(found: FoundFile) -> str:
    return f"{found.path.stem[:80]}-{found.batch_id[:8]}"
