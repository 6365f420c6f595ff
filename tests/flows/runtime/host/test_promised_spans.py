"""Spans that were promised and not sent: they outlive the process, and are sent once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from data import traces
from flows.runtime.host import kept_spans, promised_spans
from flows.runtime.host.kept_spans import KeptSpans
from flows.runtime.host.promised_spans import PromisedSpans, take_over
from tests.desk import ROOT
from tests.otlp import Receiver, receiving

PROMISE_AND_WAIT = """
import sys, time
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from flows.runtime.host.promised_spans import PromisedSpans
promised = PromisedSpans(None, Path(sys.argv[1]))
span = TracerProvider().get_tracer("test").start_span("POST /runs", attributes={"a": 1})
promised.promise(span)
span.set_attribute("a", 2)
promised.promise(span)
print(f"{span.get_span_context().span_id:016x}", flush=True)
time.sleep(60)
"""


class Collector(SpanExporter):
    """Takes spans, or refuses them."""

    takes = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS if self.takes else SpanExportResult.FAILURE


@pytest.fixture
def kept(tmp_path: Path) -> KeptSpans:
    return KeptSpans(tmp_path / "spans-api.jsonl")


def begun(promised: PromisedSpans, name: str = "POST /runs") -> Span:
    """A span under way that was promised, and that will go through the exporter at its end."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(promised))
    span = provider.get_tracer("test").start_span(name)
    assert isinstance(span, Span)
    promised.promise(span)
    return span


def sent(kept: KeptSpans) -> Receiver:
    with receiving() as otlp:
        exporter = OTLPSpanExporter(endpoint=f"{otlp.url}/v1/traces")
        kept.send(kept_spans.sender(exporter))
    return otlp


def test_the_promise_of_a_killed_process_is_sent_as_it_was_last_and_only_once(
    kept: KeptSpans, tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROMISE_AND_WAIT, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    span_id = child.stdout.readline().strip()
    while_it_lives = take_over(kept)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()

    assert (while_it_lives, take_over(kept), take_over(kept)) == (0, 1, 0)
    (span,) = sent(kept).spans
    assert (span.name, span.span_id, span.parent_id) == ("POST /runs", span_id, "")
    assert (span.attributes["a"], span.attributes[traces.LOST]) == (2, True)
    assert 0 < span.began <= span.ended
    assert list(tmp_path.glob("promised-*")) == []


def test_what_was_sent_is_not_taken_over_and_what_was_refused_is(
    kept: KeptSpans, tmp_path: Path
) -> None:
    collector = Collector()
    promised = PromisedSpans(collector, tmp_path)
    spans = [begun(promised, name) for name in ("sent", "refused", "under way")]
    spans[0].end()
    collector.takes = False
    spans[1].end()

    _die(promised)

    assert take_over(kept) == 2
    assert {span.name for span in sent(kept).spans} == {"refused", "under way"}


def test_the_file_does_not_grow_and_goes_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: KeptSpans
) -> None:
    monkeypatch.setattr(promised_spans, "_MAX_BYTES", 5_000)
    promised = PromisedSpans(Collector(), tmp_path)
    open_one = begun(promised, "under way")
    for _ in range(50):
        begun(promised).end()

    (file,) = tmp_path.glob("promised-*.jsonl")
    size = file.stat().st_size
    open_one.end()
    promised.shutdown()

    assert size < 7_000
    assert list(tmp_path.glob("promised-*")) == []


def test_a_folder_that_cannot_be_written_to_stops_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    promised = PromisedSpans(Collector(), tmp_path / "not there")

    begun(promised).end()

    assert "could not be written down" in caplog.messages[0]


def _die(promised: PromisedSpans) -> None:
    """What the end of a process does to its lock."""
    assert promised._file is not None
    promised._file.close()
