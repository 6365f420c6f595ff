"""Spans without a collector: kept in a file of limited size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from flows.runtime.host import telemetry
from flows.runtime.host.telemetry import SpanFile


def spans_in(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_span_is_one_json_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "spans-worker.jsonl"
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(SpanFile(path)))

    with provider.get_tracer("test").start_as_current_span("stage bureau"):
        pass
    provider.shutdown()

    (span,) = spans_in(path)
    assert span["span"] == "stage bureau"


def test_a_full_file_keeps_the_latest_spans_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_FILE_BYTES", 20_000)
    path = tmp_path / "spans-api.jsonl"
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(SpanFile(path)))

    for number in range(500):
        with provider.get_tracer("test").start_as_current_span(f"span {number}"):
            pass
    provider.shutdown()

    kept = [path, path.with_name(f"{path.name}.1")]
    assert sum(file.stat().st_size for file in kept) <= 20_000
    assert spans_in(path)[-1]["span"] == "span 499"
