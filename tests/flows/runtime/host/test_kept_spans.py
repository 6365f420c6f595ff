"""Spans without a collector: kept whole in files of limited size, and sent when there is one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

from data.settings import Settings
from flows.runtime.host import kept_spans, telemetry
from flows.runtime.host.kept_spans import Answer, KeptSpans, sender
from flows.runtime.host.telemetry import FallbackExporter
from tests.desk import unused_port
from tests.otlp import Receiver, SeenSpan, receiving
from tools.spans import Attributes

LINKED = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


@contextmanager
def tracing(exporter: SpanExporter) -> Iterator[TracerProvider]:
    provider = TracerProvider(resource=Resource.create({"service.name": "credit-desk-lite"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def make_span(provider: TracerProvider, name: str = "stage bureau") -> None:
    """A span with everything that a span can have."""
    tracer = provider.get_tracer("test")
    attributes: Attributes = {"text": "ada", "number": 7, "share": 0.5, "is_so": True}
    with (
        tracer.start_as_current_span("above"),
        tracer.start_as_current_span(name, attributes=attributes, links=[Link(LINKED)]) as span,
    ):
        span.add_event("exception", {"exception.type": "ToolError"})
        span.set_status(StatusCode.ERROR, "no answer")


def to(receiver_url: str) -> OTLPSpanExporter:
    return OTLPSpanExporter(endpoint=f"{receiver_url}/v1/traces", timeout=1)


def lines_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_ids(span: SeenSpan) -> SeenSpan:
    return replace(span, trace_id="", span_id="", parent_id="", began=0, ended=0)


@pytest.fixture
def kept(tmp_path: Path) -> KeptSpans:
    return KeptSpans(tmp_path / "logs" / "spans-worker.jsonl")


@pytest.fixture
def otlp() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_kept_span_arrives_as_if_it_had_been_sent_at_once(
    kept: KeptSpans, otlp: Receiver
) -> None:
    with tracing(to(otlp.url)) as provider:
        make_span(provider)
    at_once = sorted(otlp.spans, key=lambda span: span.name)
    otlp.spans.clear()
    with tracing(kept) as provider:
        make_span(provider)

    assert kept.send(sender(to(otlp.url))) == 2

    later = sorted(otlp.spans, key=lambda span: span.name)
    assert [without_ids(span) for span in later] == [without_ids(span) for span in at_once]
    above, bureau = later
    assert (bureau.trace_id, bureau.parent_id) == (above.trace_id, above.span_id)
    assert bureau.links == (f"{0xABC:032x}",)
    assert not kept.has_any


def test_a_line_is_otlp_json_with_hexadecimal_ids(kept: KeptSpans) -> None:
    with tracing(kept) as provider:
        make_span(provider)

    line = lines_in(kept.path)[0]

    (resource,) = line["resourceSpans"]
    (span,) = resource["scopeSpans"][0]["spans"]
    assert len(bytes.fromhex(span["traceId"])) == 16
    assert len(bytes.fromhex(span["spanId"])) == 8
    assert span["links"][0]["spanId"] == f"{0xDEF:016x}"


def test_full_files_keep_the_latest_spans_and_no_more(
    kept: KeptSpans, otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_spans, "MAX_BYTES", 60_000)
    with tracing(kept) as provider:
        for number in range(200):
            make_span(provider, f"span {number}")

    assert sum(file.stat().st_size for file in kept.path.parent.glob("spans*")) <= 60_000
    kept.send(sender(to(otlp.url)))
    names = [span.name for span in otlp.spans if span.name != "above"]
    assert names[-1] == "span 199"
    assert names == [f"span {number}" for number in range(200 - len(names), 200)]


def test_what_a_collector_does_not_take_stays_and_is_sent_next_time(
    kept: KeptSpans, otlp: Receiver
) -> None:
    with tracing(kept) as provider:
        for number in range(3):
            make_span(provider, f"span {number}")
    taken: list[bytes] = []

    def dies_after_two(request: bytes) -> Answer:
        taken.append(request)
        return Answer.TAKEN if len(taken) <= 2 else Answer.LATER

    assert kept.send(dies_after_two) == 2
    with tracing(kept) as provider:
        make_span(provider, "span of later")
    kept.send(sender(to(otlp.url)))

    names = [span.name for span in otlp.spans if span.name != "above"]
    assert names == ["span 1", "span 2", "span of later"]


class Refusing(BaseHTTPRequestHandler):
    """A collector that can read no request."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.end_headers()


def test_what_a_collector_refuses_for_good_is_dropped_and_not_counted(
    kept: KeptSpans, caplog: pytest.LogCaptureFixture
) -> None:
    with tracing(kept) as provider:
        make_span(provider)

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        sent = kept.send(sender(to(f"http://127.0.0.1:{server.server_port}")))
        server.shutdown()

    assert (sent, kept.has_any) == (0, False)
    assert "refused kept spans" in caplog.text


def test_a_line_that_was_cut_short_stops_nothing(kept: KeptSpans, otlp: Receiver) -> None:
    with tracing(kept) as provider:
        make_span(provider)
    with kept.path.open("ab") as file:
        file.write(b'{"resourceSpans": [{"scop\n')

    kept.send(sender(to(otlp.url)))

    assert len(otlp.spans) == 2
    assert not kept.has_any


def test_a_collector_that_comes_late_gets_what_was_kept(
    kept: KeptSpans, caplog: pytest.LogCaptureFixture
) -> None:
    port = unused_port()
    primary = to(f"http://127.0.0.1:{port}")
    with tracing(FallbackExporter(primary, kept, retry_after_seconds=0.0)) as provider:
        for number in range(3):
            make_span(provider, f"span {number}")
        with receiving(port) as otlp:
            make_span(provider, "span in time")

    lost = [r.message for r in caplog.records if "does not answer" in r.message]
    assert len(lost) == 1, "one line, however many spans"
    assert str(kept.path) in lost[0]
    assert "21 MB" in lost[0]
    assert {span.name for span in otlp.spans} == {
        *("above", "span 0", "span 1", "span 2", "span in time")
    }
    assert len(otlp.spans) == 8
    assert not kept.has_any


def test_a_collector_that_dies_loses_nothing(kept: KeptSpans) -> None:
    with receiving() as otlp:
        exporter = FallbackExporter(to(otlp.url), kept, retry_after_seconds=0.0)
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        make_span(provider, "before")
    make_span(provider, "after")
    provider.shutdown()

    assert {span.name for span in otlp.spans} == {"above", "before"}
    assert "after" in kept.path.read_text()


def test_a_process_without_a_collector_ends_at_once(kept: KeptSpans) -> None:
    exporter = FallbackExporter(to(f"http://127.0.0.1:{unused_port()}"), kept)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    make_span(provider)

    began = time.monotonic()
    provider.shutdown()

    assert time.monotonic() - began < 2
    assert kept.has_any


def test_the_kept_spans_of_every_role_are_sent(
    tmp_path: Path, otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
    settings = Settings(home=tmp_path)
    for role in ("api", "worker"):
        with tracing(telemetry.kept(role, settings)) as provider:
            make_span(provider, f"span of the {role}")

    assert telemetry.send_kept(settings) == (4, 0)

    names = {span.name for span in otlp.spans}
    assert names == {"above", "span of the api", "span of the worker"}
    assert telemetry.send_kept(settings) == (0, 0)


def test_two_senders_do_not_send_the_same(kept: KeptSpans, otlp: Receiver) -> None:
    with tracing(kept) as provider:
        make_span(provider)
    others: list[int] = []

    def meanwhile(request: bytes) -> Answer:
        others.append(KeptSpans(kept.path).send(sender(to(otlp.url))))
        return Answer.TAKEN

    assert kept.send(meanwhile) == 2
    assert others == [0, 0]
    assert otlp.spans == []
