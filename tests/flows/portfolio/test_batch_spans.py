"""The span of a chunk: which applications failed in it, and which error ended it."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from data import traces
from data.contracts.errors import RecordNotFoundError
from flows.portfolio.chunk_task import execute_chunk
from flows.runtime.execution import batch_spans
from flows.runtime.host.run_spans import RunSpans
from flows.runtime.ledger.database import Ledger
from tests.flows.portfolio.portfolios import begun, cases, write_portfolio

DRIVER = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What this process sends of the spans of batches."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(RunSpans(SimpleSpanProcessor(exporter)))
    monkeypatch.setattr(batch_spans, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    return exporter


def test_an_application_that_failed_is_told_with_its_line_and_the_tool_that_raised_the_error(
    ledger: Ledger, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("spans", "ada-prime", "tim-timeout"))
    batch, (chunk,) = begun(ledger, path, fan_out_policy="fail_fast")

    spans.clear()  # those of this test's own tools

    execute_chunk.fn(batch.batch_id, str(path), chunk, DRIVER)

    (span,) = spans.get_finished_spans()
    about = dict(span.attributes or {})
    assert (span.name, about[traces.CHUNK]) == ("chunk", 0)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b" * 16
    assert (about[traces.CHUNK_RESULT], about[traces.CHUNK_FAILED]) == ("finished", 1)
    assert about[traces.CONVERSATION_ID] == batch.batch_id
    (event,) = span.events
    assert dict(event.attributes or {}) == {
        traces.LINE: 2,
        traces.ERROR_TYPE: "tool_unavailable",
        traces.AGENT_NAME: "credit_risk.bureau",
        traces.TOOL_NAME: "fetch_bureau_report",
    }


def test_the_error_of_a_chunk_ends_its_span(
    ledger: Ledger, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("gone", "ada-prime"))
    batch, (chunk,) = begun(ledger, path)
    path.unlink()
    spans.clear()

    with pytest.raises(RecordNotFoundError):
        execute_chunk.fn(batch.batch_id, str(path), chunk, DRIVER)

    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})[traces.ERROR_TYPE] == "record_not_found"
    assert [event.name for event in span.events] == ["exception"]
