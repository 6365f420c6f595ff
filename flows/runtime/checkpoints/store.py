"""The store of checkpoints: JSON documents that prove on every read that they are whole."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data.contracts.errors import CheckpointCorruptError, CheckpointNotFoundError
from flows.runtime.prefect_api.result_storage import ResultStorage


@dataclass(frozen=True)
class Stored:
    """The proof of a write: digest and size of the body that was read back."""

    sha256: str
    bytes: int


class CheckpointStore:
    """Writes, reads, lists and removes documents in one result storage.

    The storage is a saved Prefect block (`<type>/<name>`), or the ledger when none is named. A
    block is opened by the first call that needs it: UnavailableError when there is no such block,
    or no Prefect server to ask for it.
    """

    def __init__(self, storage: str | ResultStorage = "") -> None:
        self._block = storage if isinstance(storage, str) else ""
        self._opened = storage if isinstance(storage, ResultStorage) else None

    async def _storage(self) -> ResultStorage:
        if self._opened is None:
            self._opened = await ResultStorage.open(self._block)
        return self._opened

    async def put(self, key: str, document: dict[str, Any]) -> Stored:
        """Write a document and read it back.

        Raises UnavailableError when the storage did not take it, CheckpointCorruptError when it
        came back altered.
        """
        content = await (await self._storage()).write(key, document)
        if _document(content, key) != document:
            raise CheckpointCorruptError(f"{key} came back from the storage altered")
        return Stored(hashlib.sha256(content).hexdigest(), len(content))

    async def get(self, key: str, sha256: str | None = None) -> dict[str, Any]:
        """The document under a key.

        Raises CheckpointNotFoundError when there is none, CheckpointCorruptError when it is
        not the one whose digest was recorded, UnavailableError when the storage is out of reach.
        """
        try:
            content = await (await self._storage()).read(key)
        except LookupError:
            raise CheckpointNotFoundError(f"nothing is stored under {key}") from None
        except zlib.error:
            raise CheckpointCorruptError(f"{key} cannot be decompressed") from None
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise CheckpointCorruptError(f"{key} is not what was written: its digest differs")
        return _document(content, key)

    async def can_delete(self) -> bool:
        """Whether documents can be removed: from the ledger, files and S3 they can."""
        return (await self._storage()).can_delete

    async def delete(self, key: str) -> bool:
        """Remove a document for good; False where the storage cannot."""
        return await (await self._storage()).delete(key)

    async def keys(
        self, prefix: str, *, since: datetime | None = None, before: datetime | None = None
    ) -> dict[str, datetime] | None:
        """The keys below a prefix, written in a span of time, each with when it was written.

        None where the storage cannot be listed. Raises UnavailableError when it is out of reach.
        """
        storage = await self._storage()
        return await storage.keys(prefix, since=since, before=before)


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
