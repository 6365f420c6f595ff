"""Batches as every way in sees them: a file comes in, and its results are read."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

import sqlalchemy as sa

from data.contracts.batch import BatchPage, BatchSummary, StartBatch
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    Problem,
    RecordNotFoundError,
)
from data.contracts.events import Event
from data.contracts.portfolio import PortfolioFormat
from data.contracts.runs import RunOptions, RunStatus
from data.contracts.ssn import has_shape_of_ssn
from data.settings import Settings
from flows.portfolio import results
from flows.portfolio.inbox import digest_of
from flows.runtime.ledger import batch_ends, chunks
from flows.runtime.ledger import batches as register
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import current_traceparent
from flows.service import summaries
from flows.service.requests import Caller

_PIECE = 1024 * 1024
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")


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
    """Enter a batch; its id, and whether it needs a driver because of this call."""
    batch, is_new = register.register(
        connection,
        file.sha256,
        file.options.model_dump(mode="json"),
        path=str(file.path),
        file_name=file.name,
        is_copy=file.is_copy,
        submitted_by=caller.person,
        traceparent=current_traceparent(),
    )
    return batch.batch_id, is_new


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
    relative, inbox = PurePosixPath(request.path), settings.inbox
    path = (inbox / relative).resolve()
    if relative.is_absolute() or not path.is_relative_to(inbox):
        raise _unfit("/path", "path_not_allowed", "name a file inside the inbox, relative to it")
    _require_format(path.name, "/path")
    if not await asyncio.to_thread(path.is_file):
        raise RecordNotFoundError("there is no such file in the inbox")
    sha256 = await asyncio.to_thread(digest_of, path)
    return PortfolioFile(path, shown_name(path.name), sha256, request.options, is_copy=False)


async def from_upload(
    settings: Settings, content: IO[bytes], name: str, options: RunOptions
) -> PortfolioFile:
    """Keep a file that a client has sent, in the desk's folder, under its digest.

    Raises ContractViolationError for a file that is no portfolio by its name.
    """
    ending = _require_format(name, "/file")
    path, sha256 = await asyncio.to_thread(_kept, settings.folder / "uploads", content, ending)
    return PortfolioFile(path, shown_name(name), sha256, options, is_copy=True)


def shown_name(name: str) -> str:
    """A file's name as other people may see it: senders choose names, and names may tell."""
    plain = _UNUSUAL.sub("_", name)[-100:]
    return f"portfolio{Path(plain).suffix}" if has_shape_of_ssn(plain) else plain


def _require_format(name: str, pointer: str) -> str:
    ending = PurePosixPath(name).suffix.lower()
    known = [f".{format.value}" for format in PortfolioFormat]
    if ending not in known:
        message = f"the name of a portfolio ends in one of {', '.join(known)}"
        raise _unfit(pointer, "unknown_format", message)
    return ending


def _kept(folder: Path, content: IO[bytes], ending: str) -> tuple[Path, str]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished, digest = folder / f".{uuid4().hex}.part", hashlib.sha256()
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while piece := content.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    path = folder / f"{digest.hexdigest()}{ending}"
    unfinished.replace(path)
    return path, digest.hexdigest()


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
