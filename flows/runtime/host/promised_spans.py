"""Spans that the ledger names before they have ended: written down, so that no kill loses them.

A run remembers the request that began it, and so does a batch: their spans hang below its span. An
API that is killed before it has sent that span would leave traces without a root. Each process
therefore keeps the spans that it has promised, and not sent yet, in a file that it locks. The next
process that starts can lock the file of one that is gone, and takes these spans over.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from data import traces
from flows.runtime.host.kept_spans import KeptSpans, as_line

_MAX_BYTES = 200_000
"""The file is begun again, with what is left of it, when it has become so large, and twice as large
as what is open: a process with many open spans would otherwise write all of them again each time.
"""
_PATTERN = "promised-*.jsonl"

_here: PromisedSpans | None = None

log = logging.getLogger(__name__)


def setup(exporter: SpanExporter, folder: Path) -> PromisedSpans:
    """Keep the promises of this process in a folder: what the exporter has sent is forgotten."""
    global _here
    _here = PromisedSpans(exporter, folder)
    return _here


def promise(span: trace.Span) -> None:
    """Write down a span that the ledger is about to name, as it is now; again when it has changed.

    Nothing is written of a span that is not sampled.
    """
    if _here is not None and isinstance(span, ReadableSpan) and span.is_recording():
        _here.promise(span)


def take_over(kept: KeptSpans) -> int:
    """Put what processes that are gone have promised to the kept spans; how many spans."""
    taken = 0
    for path in kept.path.parent.glob(_PATTERN):
        with suppress(FileNotFoundError), path.open("rb") as file:  # another process was first
            if _is_left(file):
                lines = _unsent(file.read())
                kept.keep(lines)
                path.unlink()
                taken += len(lines)
    return taken


class PromisedSpans(SpanExporter):
    """Stands before the exporter of a process, and forgets the promises that it has fulfilled."""

    def __init__(self, exporter: SpanExporter, folder: Path) -> None:
        self._exporter = exporter
        self._open: dict[str, bytes] = {}
        """By the span's id: its line in the file."""
        self._file: BinaryIO | None = None
        self._path = folder / _PATTERN.replace("*", uuid4().hex[:12])
        self._guard = threading.Lock()
        self._limit = _MAX_BYTES

    def promise(self, span: ReadableSpan) -> None:
        span_id = _id_of(span)
        line = f"{span_id} ".encode() + as_line(encode_spans([_as_lost(span)]))
        with self._guard:
            self._open[span_id] = line
            self._write(line)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            with self._guard:
                for span_id in self._open.keys() & {_id_of(span) for span in spans}:
                    del self._open[span_id]
                    self._write(f"{span_id} \n".encode())
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
        with self._guard:
            if self._file is not None and not self._open:
                self._path.unlink(missing_ok=True)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _write(self, line: bytes) -> None:
        try:
            if self._file is None or self._file.tell() > self._limit:
                self._begin_file()
            elif self._open:
                self._file.write(line)
            else:
                self._file.truncate(0)
        except OSError as error:  # a trace may have a hole; no application is refused for that
            log.warning("a promised span could not be written down: %s", error.strerror)

    def _begin_file(self) -> None:
        """Begin a file with all open promises. It has its name only when it is locked and whole."""
        unfinished = self._path.with_suffix(".part")
        file = unfinished.open("ab", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b"".join(self._open.values()))
        self._limit = max(_MAX_BYTES, 2 * file.tell())
        unfinished.replace(self._path)
        if self._file is not None:
            self._file.close()
        self._file = file


def _unsent(content: bytes) -> list[bytes]:
    """The newest line of each span in a file, but of those that were sent after all."""
    newest = {}
    for entry in content.splitlines(keepends=True):
        span_id, _, line = entry.partition(b" ")
        newest[span_id] = line
    return [line for line in newest.values() if line.strip()]


def _as_lost(span: ReadableSpan) -> ReadableSpan:
    """The span as it is now, ended, with the mark of one whose process was lost."""
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        {**(span.attributes or {}), traces.LOST: True},
        span.events,
        span.links,
        span.kind,
        start_time=span.start_time,
        end_time=time.time_ns(),
        instrumentation_scope=span.instrumentation_scope,
    )


def _id_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    return f"{context.span_id:016x}" if context else ""


def _is_left(file: BinaryIO) -> bool:
    """Whether the process of a file is gone, and no other has taken the file over meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file.fileno()).st_nlink > 0
