"""An OTLP receiver: what a collector would get, kept so that tests can look at it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True)
class SeenSpan:
    """One span as it was exported."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    instance: str
    began: int
    """Nanoseconds since the epoch."""
    ended: int
    attributes: dict[str, Any]
    links: tuple[str, ...]
    """Trace ids of linked spans."""
    linked_spans: tuple[str, ...] = ()
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    error: str = ""
    """What the status says; empty unless it is an error."""


@dataclass
class Receiver:
    """Spans by arrival; `tree` is what a trace viewer would draw."""

    url: str
    spans: list[SeenSpan] = field(default_factory=list)
    metrics: dict[tuple[str, str], dict[tuple[str, ...], float]] = field(default_factory=dict)
    """By instance and name the newest values by their attributes; of a histogram, the counts."""

    def trace(self, trace_id: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def wait_for(self, trace_id: str, name: str, seconds: float = 15.0) -> SeenSpan:
        """The first span of that name in a trace; exporters send a few seconds late."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for span in self.trace(trace_id):
                if span.name == name:
                    return span
            time.sleep(0.1)
        names = sorted({span.name for span in self.trace(trace_id)})
        raise AssertionError(f"no span '{name}' came; there are {names}")

    def whole_tree(
        self,
        trace_id: str,
        executions: int,
        seconds: float = 20.0,
        *,
        above: str = "",
        root: str = "POST /runs",
        execution: str = "invoke_workflow underwrite",
    ) -> list[SeenSpan]:
        """The spans of a trace, once so many executions of a run, or drivers of a batch, are in it.

        Requires one root, every parent there, each id once, and no span that ends before it began.
        The root's own parent is `above`, the span of a caller.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            spans = self.trace(trace_id)
            done = [span for span in spans if span.name == execution]
            if len(done) >= executions and any(span.parent_id == above for span in spans):
                break
            time.sleep(0.1)
        time.sleep(1.5)  # what would come twice, or too late, comes now
        spans = self.trace(trace_id)
        ids = [span.span_id for span in spans]
        assert sorted(set(ids)) == sorted(ids), "a span came twice"
        assert [span.name for span in spans if span.parent_id == above] == [root]
        orphans = {span.name for span in spans if span.parent_id not in {above, *ids}}
        assert not orphans, f"these spans have no parent: {orphans}"
        assert all(span.began <= span.ended for span in spans)
        assert len(self.named(trace_id, execution)) == executions
        return spans

    def named(self, trace_id: str, name: str) -> list[SeenSpan]:
        return [span for span in self.trace(trace_id) if span.name == name]

    def path(self, span: SeenSpan, seconds: float = 15.0) -> list[str]:
        """The names from the root of the trace down to a span; what is above it ends later."""
        deadline = time.monotonic() + seconds
        names = [span.name]
        while span.parent_id:
            by_id = {known.span_id: known for known in self.trace(span.trace_id)}
            if span.parent_id in by_id:
                span = by_id[span.parent_id]
                names.append(span.name)
            elif time.monotonic() < deadline:
                time.sleep(0.1)
            else:
                break
        return names[::-1]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver on a port, by default a free one, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                receiver.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            if self.path == "/v1/metrics":
                receiver.metrics |= _metrics(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Tests need no access log."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(request: ExportTraceServiceRequest) -> Iterator[SeenSpan]:
    for resource in request.resource_spans:
        about = _plain(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    name=span.name,
                    service=str(about.get("service.name")),
                    instance=str(about.get("service.instance.id")),
                    began=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    attributes=_plain(span.attributes),
                    links=tuple(link.trace_id.hex() for link in span.links),
                    linked_spans=tuple(link.span_id.hex() for link in span.links),
                    events=tuple((event.name, _plain(event.attributes)) for event in span.events),
                    error=_error(span.status),
                )


def _error(status: Status) -> str:
    return status.message if status.code == Status.STATUS_CODE_ERROR else ""


def _metrics(
    request: ExportMetricsServiceRequest,
) -> dict[tuple[str, str], dict[tuple[str, ...], float]]:
    return {
        (str(_plain(resource.resource.attributes).get("service.instance.id")), metric.name): {
            tuple(_plain(point.attributes).values()): _value(point)
            for point in getattr(metric, str(metric.WhichOneof("data"))).data_points
        }
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def _value(point: Any) -> float:
    if hasattr(point, "bucket_counts"):
        return float(point.count)
    return float(getattr(point, point.WhichOneof("value")))


def _plain(attributes: Any) -> dict[str, Any]:
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value"))
        for attribute in attributes
        if attribute.value.WhichOneof("value")
    }
