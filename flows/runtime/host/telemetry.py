"""Traces and metrics: the providers and exporters of a process.

Spans go to the collector. When none is set, or while it does not answer, they are kept in files of
limited size beside the logs. No run ever waits for the collector.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)

from data.metrics import Metric
from data.settings import Settings, settings
from flows.runtime.host import collector, kept_spans, logs, promised_spans
from flows.runtime.host.kept_spans import KeptSpans
from flows.runtime.host.run_spans import ChosenSpanIds, RunSpans

SERVICE_NAME = "credit-desk-lite"
_TIMEOUT_SECONDS = 1
_SEND_SECONDS = 10
"""How long a person who sends kept spans waits for each answer of the collector."""
_RETRY_AFTER_SECONDS = 30.0
_EXPORT_EVERY_MILLISECONDS = "1000"
"""A process that is killed loses the spans of so much time; the standard's default is five."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_SHORT_LIVED = ("job",)
"""Roles whose process may end before a collector gets what they would take over."""

_is_ending = threading.Event()
"""Set at the end of the process: then nothing that was kept is sent any more."""

log = logging.getLogger(__name__)


def setup(role: str, settings: Settings) -> None:
    """Start log, traces and metrics of this process. Call it once, before the first span."""
    logs.setup(settings)
    provider = tracer_provider(role, settings)
    trace.set_tracer_provider(provider)
    if role not in _SHORT_LIVED:
        promised_spans.take_over(kept(role, settings))
    if has_collector(settings):
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(timeout=_TIMEOUT_SECONDS), export_interval_millis=10_000
        )
        metrics.set_meter_provider(
            MeterProvider(resource=provider.resource, metric_readers=[reader])
        )


def tracer_provider(role: str, settings: Settings) -> TracerProvider:
    """What makes the spans of a process and sends them. It samples by OTEL_TRACES_SAMPLER."""
    os.environ.setdefault("OTEL_BSP_SCHEDULE_DELAY", _EXPORT_EVERY_MILLISECONDS)
    # Of its own for each process: two that share one would overwrite each other's metrics.
    instance = f"{role}-{socket.gethostname()}-{os.getpid()}"
    resource = Resource.create({"service.name": SERVICE_NAME, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, id_generator=ChosenSpanIds())
    promised = promised_spans.setup(_exporter(role, settings), settings.folder / "logs")
    provider.add_span_processor(RunSpans(BatchSpanProcessor(promised)))
    return provider


@cache
def trace_chunks() -> None:
    """Make spans in a process that the desk has not started, unless it makes some by itself."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(tracer_provider("chunks", settings()))


def has_collector(settings: Settings) -> bool:
    """Whether a collector is set, by a standard name or by the desk's alias for it."""
    if settings.otlp_endpoint:  # a value under the standard name has priority
        os.environ.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", settings.otlp_endpoint)
    return any(os.environ.get(name) for name in _ENDPOINTS)


def kept(role: str, settings: Settings) -> KeptSpans:
    """The spans that a role has kept for want of a collector."""
    return KeptSpans(settings.folder / "logs" / f"spans-{role}.jsonl")


def send_kept(settings: Settings, receiver: str = "") -> tuple[int, int]:
    """Send what every role has kept, to the collector of the settings or to another one.

    Returns how many requests it took, and how many roles have some left.
    """
    endpoint = f"{receiver.rstrip('/')}/v1/traces" if receiver else None
    send = kept_spans.sender(OTLPSpanExporter(endpoint=endpoint, timeout=_SEND_SECONDS))
    roles = KeptSpans.all_in(settings.folder / "logs")
    taken = sum(role.send(send) for role in roles)
    return taken, sum(role.has_any for role in roles)


class FallbackExporter(SpanExporter):
    """Sends spans to the collector, and keeps them while it does not answer.

    It logs one line when the collector is lost. Once it answers, it gets the kept ones too.
    """

    def __init__(
        self,
        primary: OTLPSpanExporter,
        fallback: SpanExporter,
        retry_after_seconds: float = _RETRY_AFTER_SECONDS,
    ) -> None:
        self._primary = primary
        self._fallback = fallback
        self._retry_after = retry_after_seconds
        self._down_until = 0.0
        # The exporter itself would log an error for every batch.
        logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if time.monotonic() >= self._down_until:
            has_answered = self._primary.export(spans) is SpanExportResult.SUCCESS
            collector.note_answer(has_answered)
            if has_answered:
                self._down_until = 0.0
                self._catch_up()
                return SpanExportResult.SUCCESS
            if not self._down_until:
                log.warning("the OTLP collector does not answer: %s", _stay(self._fallback))
            self._down_until = time.monotonic() + self._retry_after
        return self._fallback.export(spans)

    def shutdown(self) -> None:
        self._primary.shutdown()  # type: ignore[no-untyped-call]
        self._fallback.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _catch_up(self) -> None:
        """Send the spans of the time when the collector was away, or before this process began."""
        if isinstance(self._fallback, KeptSpans) and self._fallback.has_any:
            send = kept_spans.sender(self._primary)
            sent = self._fallback.send(
                lambda request: kept_spans.Answer.LATER if _is_ending.is_set() else send(request)
            )
            if sent:
                log.warning("the OTLP collector answers: it got %d kept batches of spans", sent)


def histogram(metric: Metric) -> Histogram:
    """The instrument by which this process tells the collector the durations that it measures."""
    return metrics.get_meter("credit_desk.runtime").create_histogram(
        metric.name,
        unit=metric.unit,
        description=metric.about,
        explicit_bucket_boundaries_advisory=metric.bounds,
    )


def flush() -> None:
    """Send the remaining spans and metrics, before the process ends.

    Waits for one export of each at most.
    """
    _is_ending.set()
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        if isinstance(provider, TracerProvider | MeterProvider):
            provider.shutdown()


def _exporter(role: str, settings: Settings) -> SpanExporter:
    here: SpanExporter = kept(role, settings)
    if settings.trace_console:
        here = ConsoleSpanExporter(out=sys.stderr, formatter=_one_line)
    if has_collector(settings):
        return FallbackExporter(OTLPSpanExporter(timeout=_TIMEOUT_SECONDS), here)
    log.info("no OTLP endpoint is set: %s", _stay(here))
    return here


def _stay(here: SpanExporter) -> str:
    """Where spans stay without a collector, and for how long."""
    if not isinstance(here, KeptSpans):
        return "spans go to this log"
    most = kept_spans.MAX_BYTES // 1_000_000
    return f"spans stay in {here.path}, the last {most} MB; `credit-desk traces send` sends them"


def _one_line(span: ReadableSpan) -> str:
    """A span on the console."""
    context, began, ended = span.context, span.start_time or 0, span.end_time or 0
    line = {
        "span": span.name,
        "trace_id": f"{context.trace_id:032x}" if context else None,
        "span_id": f"{context.span_id:016x}" if context else None,
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "ms": round((ended - began) / 1e6, 2),
        "status": span.status.status_code.name,
    }
    return json.dumps(line) + "\n"
