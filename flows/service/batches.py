"""Batches as every way in sees them: a file comes in, and its results are read."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import sqlalchemy as sa
from opentelemetry import trace

from data import traces
from data.contracts.batch import BatchPage, BatchSummary, StartBatch
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    Problem,
    RecordNotFoundError,
)
from data.contracts.events import Event
from data.contracts.runs import RunOptions, RunStatus
from data.settings import Settings
from flows.portfolio import results
from flows.portfolio.file_names import ENDINGS, ending_of, shown_name
from flows.portfolio.inbox import digest_of
from flows.portfolio.uploads import folder_of
from flows.runtime.host.private_file import private_file
from flows.runtime.ledger import batch_ends, chunks
from flows.runtime.ledger import batches as register
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import promised_traceparent
from flows.service import cleared, summaries
from flows.service.requests import Caller

_PIECE = 1024 * 1024


@dataclass(frozen=True)
class PortfolioFile:
    """A file that lies where the driver of its batch will read it."""

    path: Path
    name: str
    sha256: str
    options: RunOptions
    is_copy: bool
    """Whether the desk has copied it, and removes it when every row is done."""


def enter(connection: sa.Connection, file: PortfolioFile, caller: Caller) -> tuple[str, bool]:
    """Enter a batch; its id, and whether it needs a driver because of this call.

    A copy that no driver will read is removed: it holds personal data.
    """
    # The span is promised with its name: the process may be killed before it is sent.
    batch_id = register.batch_id_of(file.sha256, _as_stored(file.options))
    trace.get_current_span().set_attribute(traces.CONVERSATION_ID, batch_id)
    batch, is_new = register.register(
        connection,
        file.sha256,
        _as_stored(file.options),
        path=str(file.path),
        file_name=file.name,
        is_copy=file.is_copy,
        submitted_by=caller.person,
        traceparent=promised_traceparent(),
    )
    is_read = batch.status in register.DRIVEN and batch.path == str(file.path)
    if file.is_copy and not is_read:
        # Under the lock of the batch: its driver cannot come to the end meanwhile.
        file.path.unlink(missing_ok=True)
    return batch_id, is_new


def cancel(connection: sa.Connection, batch_id: str) -> list[Event]:
    """Ask a batch to stop. Raises ConflictError when there is nothing left to stop."""
    batch = register.find(connection, batch_id)
    if batch.status not in {*register.DRIVEN, RunStatus.CANCELLED}:
        raise ConflictError(
            f"every row of batch {batch_id} is done: it is {batch.status.value}; cancel the runs"
            " of its referred cases one by one"
            if batch.status is RunStatus.WAITING
            else f"batch {batch_id} has ended: it is {batch.status.value}"
        )
    return batch_ends.request_cancel(connection, batch_id)


async def in_inbox(settings: Settings, request: StartBatch) -> PortfolioFile:
    """The file of the inbox that a request names.

    Raises RecordNotFoundError when there is none, and ContractViolationError for a path that leads
    out of the inbox or to a file that is no portfolio.
    """
    try:
        path, sha256 = await asyncio.to_thread(_found_in, settings.inbox, request.path)
    except ContractViolationError:
        raise
    except (OSError, ValueError):  # unreadable, or a name that no file can have
        raise RecordNotFoundError("there is no such file in the inbox") from None
    return PortfolioFile(path, shown_name(path.name), sha256, request.options, is_copy=False)


def _found_in(inbox: Path, name: str) -> tuple[Path, str]:
    """A file of the inbox, and its digest. Raises OSError and ValueError without one."""
    relative = PurePosixPath(name)
    path = (inbox / relative).resolve()
    if relative.is_absolute() or not path.is_relative_to(inbox):
        raise _unfit("/path", "path_not_allowed", "name a file inside the inbox, relative to it")
    _require_format(path.name, "/path")
    if not path.is_file():
        raise FileNotFoundError
    return path, digest_of(path)


async def from_upload(
    settings: Settings, content: IO[bytes], name: str, options: RunOptions
) -> PortfolioFile:
    """Keep a file that a client has sent, in the desk's folder, under the id of its batch.

    Raises ContractViolationError for a file that is no portfolio by its name.
    """
    ending = _require_format(name, "/file")
    path, sha256 = await asyncio.to_thread(_kept, folder_of(settings), content, ending, options)
    return PortfolioFile(path, shown_name(name), sha256, options, is_copy=True)


def _require_format(name: str, pointer: str) -> str:
    ending = ending_of(name)
    if ending not in ENDINGS:
        message = f"the name of a portfolio ends in one of {', '.join(ENDINGS)}"
        raise _unfit(pointer, "unknown_format", message)
    return ending


def _kept(folder: Path, content: IO[bytes], ending: str, options: RunOptions) -> tuple[Path, str]:
    sha256 = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The copy is named by the batch, so that two batches of one content have a copy each.
    path = folder / f"{register.batch_id_of(sha256, _as_stored(options))}{ending}"
    content.seek(0)
    with private_file(path) as file:
        shutil.copyfileobj(content, file, _PIECE)
    return path, sha256


def _as_stored(options: RunOptions) -> dict[str, Any]:
    return options.model_dump(mode="json")


def _unfit(pointer: str, code: str, message: str) -> ContractViolationError:
    return ContractViolationError(message, [Problem(pointer, code, message)])


class BatchQueries:
    """Everything that can be read of batches, also while Prefect is away."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.settings = settings
        self._ledger = ledger

    async def find(self, batch_id: str) -> BatchSummary:
        """One batch. Raises RecordNotFoundError."""
        return await self._ledger.read(results.find, self.settings, batch_id)

    async def page(self, limit: int = 50, cursor: str | None = None) -> BatchPage:
        """A page of batches, newest first."""

        def read(connection: sa.Connection) -> BatchPage:
            before = summaries.place_of(cursor)
            found = register.page(connection, limit=limit + 1, before=before)
            shown = [results.summary(connection, self.settings, batch) for batch in found[:limit]]
            last = found[limit - 1] if len(found) > limit else None
            more = summaries.cursor_of(last.created_at, last.batch_id) if last else None
            return BatchPage(items=tuple(shown), next_cursor=more)

        return await self._ledger.read(read)

    async def decisions(self, batch_id: str) -> AsyncIterator[bytes]:
        """What became of each accepted application, chunk by chunk, as lines of JSON."""
        return await self._lines(batch_id, results.lines)

    async def rejects(self, batch_id: str) -> AsyncIterator[bytes]:
        """What is wrong with the rejected rows, chunk by chunk, as lines of JSON."""
        return await self._lines(batch_id, chunks.rejects)

    async def screenings(self, batch_id: str) -> AsyncIterator[bytes]:
        """The watchlist screening of each application that the batch decided, as lines of JSON."""
        return await self._lines(batch_id, cleared.batch_screenings)

    async def _lines(
        self, batch_id: str, read: Callable[[sa.Connection, str, int], list[bytes]]
    ) -> AsyncIterator[bytes]:
        """Raises RecordNotFoundError at once, and not when the answer has begun."""
        await self._ledger.read(register.find, batch_id)
        numbers = await self._ledger.read(chunks.numbers, batch_id)

        async def portions() -> AsyncIterator[bytes]:
            for number in numbers:
                lines = await self._ledger.read(read, batch_id, number)
                if lines:
                    yield b"\n".join(lines) + b"\n"

        return portions()
