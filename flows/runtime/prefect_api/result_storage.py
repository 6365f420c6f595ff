"""Where checkpoints and agents' answers lie: Prefect persisted results, JSON, never pickle.

Their storage is by default the ledger, through a block of the desk. The block has no fields: it
reads the ledger's URL from the settings of its process, so that no password lands in Prefect. Any
other storage block is chosen by one setting, `CREDIT_DESK_CHECKPOINT_STORAGE`, for instance
`s3-bucket/desk` or `local-file-system/desk`. Prefect's blocks only know to read and write; how
they are listed and emptied is said here for each kind that the desk knows.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa
from prefect.filesystems import LocalFileSystem, WritableFileSystem
from prefect.results import ResultStore, aresolve_result_storage
from prefect.serializers import JSONSerializer
from prefect.utilities.asyncutils import sync_compatible

from data.contracts.errors import UnavailableError
from data.settings import settings
from flows.runtime.ledger.database import now, shared_ledger, stamp
from flows.runtime.ledger.tables import blobs


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

    async def list_paths(
        self, prefix: str, since: datetime | None = None, before: datetime | None = None
    ) -> dict[str, datetime]:
        """What is stored under paths that begin so, and since when; of a span of time, if given."""

        def found(connection: sa.Connection) -> dict[str, datetime]:
            query = sa.select(blobs.c.path, blobs.c.written_at)
            query = query.where(blobs.c.path.startswith(prefix, autoescape=True))
            if since is not None:
                query = query.where(blobs.c.written_at >= stamp(since))
            if before is not None:
                query = query.where(blobs.c.written_at < stamp(before))
            rows = connection.execute(query)
            return {row.path: datetime.fromisoformat(row.written_at) for row in rows}

        return await shared_ledger(settings().ledger).read(found)


class ResultStorage:
    """One place for Prefect results, whose errors are the desk's."""

    def __init__(self, block: WritableFileSystem) -> None:
        self._block = block
        self._listed = _listed(block)
        self._results = ResultStore(
            result_storage=block, serializer=JSONSerializer(), cache_result_in_memory=False
        )

    @classmethod
    def in_ledger(cls) -> ResultStorage:
        """The storage that is always there when the desk is."""
        return cls(LedgerStorage())

    @classmethod
    async def open(cls, block: str) -> ResultStorage:
        """The storage of a saved Prefect block (`<type>/<name>`); without one, the ledger.

        Raises UnavailableError when there is no such block, or no Prefect server to ask for it.
        """
        if not block:
            return cls.in_ledger()
        try:
            return cls(await aresolve_result_storage(block))
        except Exception as error:
            raise UnavailableError(
                f"the storage block {block} cannot be opened: {type(error).__name__}"
            ) from None

    async def write(self, key: str, document: dict[str, Any]) -> bytes:
        """Write a document as a result, and read it back.

        Prefect only logs a write that failed; this raises UnavailableError.
        """
        with _within_reach(f"did not take {key}"):
            await self._results.awrite(document, key=key)
            return await self._read(key)

    async def read(self, key: str) -> bytes:
        """The result record under a key.

        Raises LookupError when there is none, zlib.error when it cannot be decompressed, and
        UnavailableError when the storage is out of reach.
        """
        try:
            return await self._read(key)
        except (UnavailableError, zlib.error):
            raise
        except (ValueError, FileNotFoundError, LookupError):
            raise LookupError(key) from None
        except Exception as error:
            if _says_missing(error):
                raise LookupError(key) from None
            raise UnavailableError(
                f"the result storage did not give {key}: {type(error).__name__}"
            ) from None

    @property
    def can_delete(self) -> bool:
        """Whether anything can be removed: from the ledger, files and S3 it can."""
        return self._listed is not None

    async def delete(self, key: str) -> bool:
        """Remove a document for good; False where the storage's block cannot.

        Raises UnavailableError when the storage is out of reach.
        """
        if self._listed is None:
            return False
        with _within_reach(f"did not give up {key}"):
            await self._listed.delete_path(key)
        return True

    async def keys(
        self, prefix: str, *, since: datetime | None = None, before: datetime | None = None
    ) -> dict[str, datetime] | None:
        """The keys below a prefix, written in a span of time; None where the block cannot say.

        Raises UnavailableError when the storage is out of reach.
        """
        if self._listed is None:
            return None
        with _within_reach(f"could not be listed below {prefix}"):
            found = await self._listed.list_paths(prefix, since, before)
        return {
            key: at
            for key, at in found.items()
            if (since is None or at >= since) and (before is None or at < before)
        }

    async def _read(self, key: str) -> bytes:
        reading: Any = self._block.read_path(key)
        content: bytes = await reading
        return content


@runtime_checkable
class Listed(Protocol):
    """A storage whose keys can be listed and removed."""

    async def list_paths(
        self, prefix: str, since: datetime | None = None, before: datetime | None = None
    ) -> dict[str, datetime]:
        """What is stored under keys that begin so, and since when."""

    async def delete_path(self, path: str) -> None:
        """Remove what is stored under a key; nothing is no error."""


def _listed(storage: WritableFileSystem) -> Listed | None:
    """How a kind of block is listed and emptied; None for a kind that the desk does not know."""
    if isinstance(storage, LocalFileSystem):
        return _Files(storage)
    if storage.get_block_type_slug() == "s3-bucket":
        return _Bucket(storage)
    return storage if isinstance(storage, Listed) else None


class _Files:
    def __init__(self, storage: LocalFileSystem) -> None:
        self._storage = storage

    async def list_paths(
        self, prefix: str, since: datetime | None = None, before: datetime | None = None
    ) -> dict[str, datetime]:
        return await asyncio.to_thread(self._walk, prefix)

    async def delete_path(self, path: str) -> None:
        await asyncio.to_thread(self._place(path).unlink, missing_ok=True)

    def _walk(self, prefix: str) -> dict[str, datetime]:
        root = self._place(".")
        return {
            path.relative_to(root).as_posix(): datetime.fromtimestamp(path.stat().st_mtime, UTC)
            for path in (root / prefix).rglob("*")
            if path.is_file()
        }

    def _place(self, path: str) -> Path:
        return Path(self._storage._resolve_path(path))


class _Bucket:
    """`prefect-aws` is an extra, so its block is taken for what it has, not for what it is."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    async def list_paths(
        self, prefix: str, since: datetime | None = None, before: datetime | None = None
    ) -> dict[str, datetime]:
        folder = self._storage.bucket_folder.rstrip("/")
        return {
            found["Key"].removeprefix(f"{folder}/"): found["LastModified"]
            for found in await self._storage.alist_objects(prefix)
        }

    async def delete_path(self, path: str) -> None:
        await asyncio.to_thread(self._delete, self._storage._resolve_path(path))

    def _delete(self, key: str) -> None:
        client = self._storage.credentials.get_s3_client()
        client.delete_object(Bucket=self._storage.bucket_name, Key=key)


@contextmanager
def _within_reach(what: str) -> Iterator[None]:
    """Each kind of storage has errors of its own; all say that it is out of reach."""
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
