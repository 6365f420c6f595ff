"""Traces and metrics: the providers and exporters of a process.

Prefect opens a span for every flow run and task run when there is a global provider. Spans go to
the collector. When no collector is set, or when it does not answer, spans go to a file of limited
size beside the logs. No run ever waits for the collector.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

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
from data.settings import Settings

SERVICE_NAME = "credit-desk-lite"
_TIMEOUT_SECONDS = 1
_RETRY_AFTER_SECONDS = 30.0
_FILE_BYTES = 10_000_000
"""How much of a process's spans its file keeps at the most."""

log = logging.getLogger(__name__)


def setup(role: str, settings: Settings) -> None:
    """Start traces and metrics of this process. Call it once, before the first span."""
    _setup_logging(settings.log_level)
    if settings.otlp_endpoint:  # a value under the standard name has priority
        os.environ.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", settings.otlp_endpoint)
    # Of its own for each process: two that share one would overwrite each other's metrics.
    instance = f"{role}-{socket.gethostname()}-{os.getpid()}"
    resource = Resource.create({"service.name": SERVICE_NAME, "service.instance.id": instance})
    provider = TracerProvider(resource=resource)
    trace.set_tracer_provider(provider)
    kept = _kept_here(role, settings)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        primary = OTLPSpanExporter(timeout=_TIMEOUT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(FallbackExporter(primary, kept)))
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(timeout=_TIMEOUT_SECONDS), export_interval_millis=10_000
        )
        metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[reader]))
    else:
        log.info("no OTLP endpoint is set: spans stay on this machine")
        provider.add_span_processor(BatchSpanProcessor(kept))


class FallbackExporter(SpanExporter):
    """Sends spans to the collector, and to the fallback while the collector does not answer.

    It logs one line when the collector is lost, and one when it answers again.
    """

    def __init__(
        self,
        primary: SpanExporter,
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
            if self._primary.export(spans) is SpanExportResult.SUCCESS:
                if self._down_until:
                    log.warning("the OTLP collector answers again: spans go to it")
                self._down_until = 0.0
                return SpanExportResult.SUCCESS
            if not self._down_until:
                log.warning("the OTLP collector does not answer: spans stay on this machine")
            self._down_until = time.monotonic() + self._retry_after
        return self._fallback.export(spans)

    def shutdown(self) -> None:
        self._primary.shutdown()
        self._fallback.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


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
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        if isinstance(provider, TracerProvider | MeterProvider):
            provider.shutdown()


class SpanFile(SpanExporter):
    """Keeps spans as JSON lines in a file of limited size: the older half goes when it is full."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = RotatingFileHandler(
            path, maxBytes=_FILE_BYTES // 2, backupCount=1, delay=True, encoding="utf-8"
        )
        self._file.terminator = ""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for line in filter(None, map(_one_line, spans)):
            self._file.emit(logging.makeLogRecord({"msg": line}))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def _kept_here(role: str, settings: Settings) -> SpanExporter:
    """Where spans go without a collector: a file beside the logs, or the log by setting."""
    if settings.spans_to_log:
        return ConsoleSpanExporter(out=sys.stderr, formatter=_one_line)
    return SpanFile(settings.folder / "logs" / f"spans-{role}.jsonl")


def _one_line(span: ReadableSpan) -> str:
    context = span.context
    if context is None or span.start_time is None or span.end_time is None:
        return ""
    line = {
        "span": span.name,
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "ms": round((span.end_time - span.start_time) / 1e6, 2),
        "status": span.status.status_code.name,
    }
    return json.dumps(line) + "\n"


def _setup_logging(level: str) -> None:
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("httpx", "httpcore", "prefect", "uvicorn.access", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
