"""Spans without a collector: kept beside the logs, whole, and sent when there is one.

Each line of a file is one OTLP request as JSON, so a collector that reads files can read it too.
The files of a role have a limited size: the oldest third goes when they are full.
"""

from __future__ import annotations

import base64
import fcntl
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped, unused-ignore]
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

MAX_BYTES = 21_000_000
"""How much the files of one role hold together at the most: a few hundred runs."""


class Answer(Enum):
    """What a collector did with a request."""

    TAKEN = auto()
    REFUSED = auto()
    """For good: it would refuse the same request again."""
    LATER = auto()
    """It was away or busy."""


Send = Callable[[bytes], Answer]
"""Hands an encoded request to a collector."""

_IDS = ("traceId", "spanId", "parentSpanId")
_REFUSED_FOR_GOOD = {400, 413, 415, 422}
"""Answers of a collector that it would give again."""

log = logging.getLogger(__name__)


class KeptSpans(SpanExporter):
    """The files of one role. Several processes may write to them, and send them, at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._older = path.with_name(f"{path.name}.1")
        self._outbox = path.with_name(f"{path.name}.sending")

    @classmethod
    def all_in(cls, folder: Path) -> list[KeptSpans]:
        """The files of every role that has kept spans in a folder."""
        names = {file.name.partition(".jsonl")[0] for file in folder.glob("spans-*.jsonl*")}
        return [cls(folder / f"{name}.jsonl") for name in sorted(names)]

    @property
    def has_any(self) -> bool:
        """Whether there is something to send."""
        return any(file.exists() for file in (self._outbox, self._older, self.path))

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.keep([as_line(encode_spans(spans))])
        return SpanExportResult.SUCCESS

    def keep(self, lines: Sequence[bytes]) -> None:
        """Keep requests that are lines already."""
        with self._locked("lock"):
            for line in lines:
                if self.path.exists() and self.path.stat().st_size + len(line) > MAX_BYTES // 3:
                    self.path.replace(self._older)
                with self.path.open("ab") as file:
                    file.write(line)

    def send(self, send: Send) -> int:
        """Send what is kept, the oldest first, until `send` says later; how many requests it took.

        What it refuses is dropped, with a line in the log. The rest stays. None is sent while
        another process sends. A process that is killed meanwhile leaves a file that is sent again.
        """
        sent = 0
        with self._locked("sender", wait=False) as is_ours:
            while is_ours and self._fill_outbox():
                lines = self._outbox.read_bytes().splitlines(keepends=True)
                while lines and (answer := send(as_request(lines[0]))) is not Answer.LATER:
                    del lines[0]
                    sent += answer is Answer.TAKEN
                if lines:
                    rest = self._outbox.with_suffix(".rest")
                    rest.write_bytes(b"".join(lines))
                    rest.replace(self._outbox)
                    break
                self._outbox.unlink()
        return sent

    def shutdown(self) -> None:
        """No file is open between two calls."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _fill_outbox(self) -> bool:
        """Take the oldest file out of the writers' way; False when there is none."""
        with self._locked("lock"):
            for file in (self._older, self.path):
                if not self._outbox.exists():
                    with suppress(FileNotFoundError):
                        file.replace(self._outbox)
        return self._outbox.exists()

    @contextmanager
    def _locked(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock inside the block; False when it was not to be had without waiting."""
        with self.path.with_name(f".{self.path.stem}.{name}").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True


def as_line(request: ExportTraceServiceRequest) -> bytes:
    """A request as one line of OTLP JSON, in which ids are hexadecimal."""
    message = json_format.MessageToDict(request, use_integers_for_enums=True)
    _spell_ids(message, lambda text: base64.b64decode(text).hex())
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def as_request(line: bytes) -> bytes:
    """The request of such a line, encoded as collectors take it; empty for a line cut short."""
    try:
        message = json.loads(line)
    except ValueError:
        return b""
    _spell_ids(message, lambda text: base64.b64encode(bytes.fromhex(text)).decode())
    request = ExportTraceServiceRequest()
    json_format.ParseDict(message, request, ignore_unknown_fields=True)
    encoded: bytes = request.SerializeToString()
    return encoded


def sender(exporter: OTLPSpanExporter) -> Send:
    """Sends encoded requests as the exporter would: its endpoint, headers and time limit."""

    def send(request: bytes) -> Answer:
        # The exporter itself takes spans only, and these are encoded already.
        answered = exporter._client.export(request)
        if answered.success:
            return Answer.TAKEN
        if answered.status_code not in _REFUSED_FOR_GOOD:
            return Answer.LATER
        log.warning("the collector refused kept spans, %d: dropped", answered.status_code)
        return Answer.REFUSED

    return send


def _spell_ids(part: Any, spelled: Callable[[str], str]) -> None:
    """Spell the ids of spans and links another way: Protobuf's JSON has them in base 64."""
    if isinstance(part, list):
        for item in part:
            _spell_ids(item, spelled)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name in _IDS and isinstance(value, str):
                part[name] = spelled(value)
            elif name != "attributes":
                _spell_ids(value, spelled)
