"""Where checkpoints and agents' answers lie: Prefect persisted results, JSON, never pickle.

Their storage is by default the ledger, through a block of ours. It has no fields: it reads the
ledger's URL from the settings of the process it is used in, so no password lands in Prefect.
Any other storage block is chosen by one setting, `CREDIT_DESK_CHECKPOINT_STORAGE`, for instance
`s3-bucket/desk` or `local-file-system/desk`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from prefect.filesystems import WritableFileSystem
from prefect.results import ResultStore, aresolve_result_storage
from prefect.serializers import JSONSerializer
from prefect.utilities.asyncutils import sync_compatible

from data.contracts.errors import CheckpointCorruptError, CheckpointNotFoundError, UnavailableError
from data.settings import settings
from flows.runtime.checkpoints.stock import stock_of
from flows.runtime.ledger.database import Ledger, blobs, now


@cache
def shared_ledger(url: str) -> Ledger:
    """This process's one ledger for a URL, migrated when first opened."""
    ledger = Ledger(url)
    ledger.migrate()
    return ledger


class LedgerStorage(WritableFileSystem):
    """Result storage inside the desk's own database: one thing to back up, easy to list."""

    _block_type_name = "Credit Desk ledger"
    _block_type_slug = "credit-desk-ledger"

    def _resolve_path(self, path: str) -> None:
        """Keys are keys here, not file names: Prefect must not make them absolute."""

    @sync_compatible
    async def read_path(self, path: str) -> bytes:
        """Raises ValueError when nothing is stored under the path, as Prefect expects."""

        def body(connection: sa.Connection) -> bytes | None:
            return connection.execute(
                sa.select(blobs.c.body).where(blobs.c.path == path)
            ).scalar_one_or_none()

        found = await shared_ledger(settings().ledger).read(body)
        if found is None:
            raise ValueError(f"nothing is stored under {path}")
        return zlib.decompress(found)

    @sync_compatible
    async def write_path(self, path: str, content: bytes) -> None:
        def put(connection: sa.Connection) -> None:
            body = zlib.compress(content)
            connection.execute(blobs.delete().where(blobs.c.path == path))
            connection.execute(blobs.insert().values(path=path, body=body, written_at=now()))

        await shared_ledger(settings().ledger).write(put)

    async def delete_path(self, path: str) -> None:
        """Remove what is stored under a path; nothing is no error."""

        def remove(connection: sa.Connection) -> None:
            connection.execute(blobs.delete().where(blobs.c.path == path))

        await shared_ledger(settings().ledger).write(remove)

    async def list_paths(self, prefix: str) -> dict[str, datetime]:
        """What is stored under paths that begin so, and since when."""

        def found(connection: sa.Connection) -> dict[str, datetime]:
            query = sa.select(blobs.c.path, blobs.c.written_at)
            rows = connection.execute(query.where(blobs.c.path.startswith(prefix, autoescape=True)))
            return {row.path: datetime.fromisoformat(row.written_at) for row in rows}

        return await shared_ledger(settings().ledger).read(found)


@dataclass(frozen=True)
class Stored:
    """What was read back after a write."""

    sha256: str
    bytes: int


class Shelf:
    """Keeps JSON documents as Prefect results and proves on every read that they are whole."""

    def __init__(self, storage: WritableFileSystem) -> None:
        self._storage = storage
        self._stock = stock_of(storage)
        self._results = ResultStore(
            result_storage=storage, serializer=JSONSerializer(), cache_result_in_memory=False
        )

    @classmethod
    async def open(cls, block: str) -> Shelf:
        """The shelf on a saved Prefect block (`<type>/<name>`), or on the ledger itself.

        Raises UnavailableError when there is no such block, or no Prefect server to ask for it.
        """
        if not block:
            return cls(LedgerStorage())
        try:
            return cls(await aresolve_result_storage(block))
        except Exception as error:
            raise UnavailableError(
                f"the storage block {block} cannot be opened: {type(error).__name__}"
            ) from None

    async def put(self, key: str, document: dict[str, Any]) -> Stored:
        """Write and read back. Prefect only logs a write that failed; we raise UnavailableError."""
        with _within_reach(f"did not take {key}"):
            await self._results.awrite(document, key=key)
            content = await self._read(key)
        if _document(content, key) != document:
            raise CheckpointCorruptError(f"{key} came back from the storage altered")
        return Stored(hashlib.sha256(content).hexdigest(), len(content))

    async def get(self, key: str, sha256: str | None = None) -> dict[str, Any]:
        """The document under a key.

        Raises CheckpointNotFoundError when there is none, CheckpointCorruptError when it is
        not the one whose digest was recorded, UnavailableError when the storage is out of reach.
        """
        try:
            content = await self._read(key)
        except (ValueError, FileNotFoundError, LookupError):
            raise CheckpointNotFoundError(f"nothing is stored under {key}") from None
        except zlib.error:
            raise CheckpointCorruptError(f"{key} cannot be decompressed") from None
        except UnavailableError:
            raise
        except Exception as error:
            if _says_missing(error):
                raise CheckpointNotFoundError(f"nothing is stored under {key}") from None
            raise UnavailableError(
                f"the result storage did not give {key}: {type(error).__name__}"
            ) from None
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise CheckpointCorruptError(f"{key} is not what was written: its digest differs")
        return _document(content, key)

    @property
    def can_delete(self) -> bool:
        """Whether anything can be removed: from the ledger, files and S3 it can."""
        return self._stock is not None

    async def delete(self, key: str) -> bool:
        """Remove a document for good; False where the storage's block cannot.

        Raises UnavailableError when the storage is out of reach.
        """
        if self._stock is None:
            return False
        with _within_reach(f"did not give up {key}"):
            await self._stock.delete_path(key)
        return True

    async def keys(self, prefix: str) -> dict[str, datetime] | None:
        """The keys below a prefix, and since when they are there; None where nobody can tell.

        Raises UnavailableError when the storage is out of reach.
        """
        if self._stock is None:
            return None
        with _within_reach(f"could not be listed below {prefix}"):
            return await self._stock.list_paths(prefix)

    async def _read(self, key: str) -> bytes:
        reading: Any = self._storage.read_path(key)
        content: bytes = await reading
        return content


@contextmanager
def _within_reach(what: str) -> Iterator[None]:
    """Each kind of storage has errors of its own; all say that it cannot be had now."""
    try:
        yield
    except UnavailableError:
        raise
    except Exception as error:
        raise UnavailableError(f"the result storage {what}: {type(error).__name__}") from None


def _says_missing(error: Exception) -> bool:
    """Whether an object store's own error means that the key is not there."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code in {"404", "NoSuchKey"}


def _document(content: bytes, key: str) -> dict[str, Any]:
    """Unwrap a Prefect result record by hand: the record may not choose its own decoder."""
    try:
        record = json.loads(content)
        decoder = record["metadata"]["serializer"]["type"]
        document = json.loads(record["result"]) if decoder == "json" else None
    except (ValueError, KeyError, TypeError):
        raise CheckpointCorruptError(f"{key} cannot be read as a result record") from None
    if decoder != "json":
        raise CheckpointCorruptError(f"{key} is not stored as JSON")
    if not isinstance(document, dict):
        raise CheckpointCorruptError(f"{key} does not hold a document")
    return document
