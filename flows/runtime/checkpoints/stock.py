"""What lies in a result storage, and taking it out: Prefect's blocks only know to read and write.

Each kind of block that we know is listed and emptied in its own way. Of any other nothing can be
told, and nothing can be removed from it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from prefect.filesystems import LocalFileSystem, WritableFileSystem


@runtime_checkable
class Stock(Protocol):
    """The keys of one storage."""

    async def list_paths(self, prefix: str) -> dict[str, datetime]:
        """What is stored under keys that begin so, and since when."""

    async def delete_path(self, path: str) -> None:
        """Remove what is stored under a key; nothing is no error."""


def stock_of(storage: WritableFileSystem) -> Stock | None:
    """The stock of a storage block; None for a kind that can be neither listed nor emptied."""
    if isinstance(storage, LocalFileSystem):
        return _Files(storage)
    if storage.get_block_type_slug() == "s3-bucket":
        return _Bucket(storage)
    return storage if isinstance(storage, Stock) else None


class _Files:
    def __init__(self, storage: LocalFileSystem) -> None:
        self._storage = storage

    async def list_paths(self, prefix: str) -> dict[str, datetime]:
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

    async def list_paths(self, prefix: str) -> dict[str, datetime]:
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
