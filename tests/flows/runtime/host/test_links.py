"""Links to traces lead to a viewer that is there, or are not shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from data.settings import Settings
from flows.runtime.host import collector
from flows.runtime.host.links import trace_links
from flows.runtime.host.telemetry import FallbackExporter
from tests.otlp import receiving

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
NONE = {"trace": "", "span": ""}


@pytest.fixture(autouse=True)
def _unknown() -> Iterator[None]:
    collector.note_answer(False)
    yield
    collector.note_answer(False)


def test_a_trace_has_a_link_to_jaeger_only_while_the_collector_answers() -> None:
    assert trace_links(Settings(), TRACE_ID) == NONE
    with receiving() as otlp:
        sent = OTLPSpanExporter(endpoint=f"{otlp.url}/v1/traces", timeout=1)
        exporter = FallbackExporter(sent, ConsoleSpanExporter(), retry_after_seconds=0.0)
        exporter.export([])
        links = trace_links(Settings(), TRACE_ID)
        assert links["trace"] == f"http://localhost:16686/trace/{TRACE_ID}"
        assert links["span"] == f"{links['trace']}?uiFind={{span_id}}"
        assert trace_links(Settings(), "") == NONE

    exporter.export([])

    assert trace_links(Settings(), TRACE_ID) == NONE


def test_a_template_of_the_settings_makes_a_link_without_a_collector() -> None:
    settings = Settings(trace_url="https://traces.example/{trace_id}")

    links = trace_links(settings, TRACE_ID)

    assert links == {"trace": f"https://traces.example/{TRACE_ID}", "span": ""}
