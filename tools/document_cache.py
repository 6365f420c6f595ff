"""The documents that this process has parsed, so that no agent parses one again.

The cache holds personal data in memory. So it is bounded in number and bytes, and a look-up drops
the documents that were not used for a while.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from data.contracts.documents import Document, DocumentContent, DocumentKind

MAX_DOCUMENTS = 4_096
"""Enough for a chunk of 500 applications with eight documents each: a chunk reads all of its rows,
and with them their documents, before the agents see them. A larger chunk parses some twice."""
MAX_BYTES = 32_000_000
"""Of the documents as they were sent. Their parsed content takes several times as much memory."""
KEPT_SECONDS = 900.0

Problem = str
Parsed = DocumentContent | Problem
"""The content of a document, or the code that says why it has none."""

_Key = tuple[str, DocumentKind, str, int, str]


@dataclass
class _Entry:
    parsed: Parsed
    used_at: float


@dataclass
class DocumentCache:
    """The parsed documents, the one that was used last at the end. Threads may share it."""

    max_documents: int = MAX_DOCUMENTS
    max_bytes: int = MAX_BYTES
    kept_seconds: float = KEPT_SECONDS
    _entries: OrderedDict[_Key, _Entry] = field(default_factory=OrderedDict, repr=False)
    _bytes: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def find(self, document: Document) -> Parsed | None:
        """What became of an equal document. None when it is not parsed yet, or forgotten."""
        key = _key(document)
        with self._lock:
            self._forget(time.monotonic() - self.kept_seconds)
            entry = self._entries.get(key)
            if entry is None:
                return None
            entry.used_at = time.monotonic()
            self._entries.move_to_end(key)
            return entry.parsed

    def keep(self, document: Document, parsed: Parsed) -> None:
        """Remember a document, and forget those that were not used for longest."""
        with self._lock:
            key = _key(document)
            if key not in self._entries:
                self._bytes += len(document.content_base64)
            self._entries[key] = _Entry(parsed, time.monotonic())
            self._entries.move_to_end(key)
            while len(self._entries) > self.max_documents or self._bytes > self.max_bytes:
                self._drop_first()

    def __len__(self) -> int:
        return len(self._entries)

    def _forget(self, unused_since: float) -> None:
        while self._entries and next(iter(self._entries.values())).used_at < unused_since:
            self._drop_first()

    def _drop_first(self) -> None:
        key, _ = self._entries.popitem(last=False)
        self._bytes -= len(key[-1])


def _key(document: Document) -> _Key:
    """All that the result depends on. The stated digest alone would not do: it may be wrong."""
    return (
        document.sha256,
        document.kind,
        document.media_type,
        document.size_bytes,
        document.content_base64,
    )
