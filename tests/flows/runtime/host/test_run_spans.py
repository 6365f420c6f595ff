"""The spans of an execution: named after their run, held to its end, sent from the outside in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, TraceFlags

from data import traces
from flows.runtime.host import run_spans
from flows.runtime.host.run_spans import ChosenSpanIds, RunSpans, as_span, spans_of

EXECUTION = {traces.OPERATION: traces.INVOKE_WORKFLOW}


class Traced:
    """A tracer, and the names of the spans that were sent so far, in their order."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(id_generator=ChosenSpanIds())
        provider.add_span_processor(RunSpans(SimpleSpanProcessor(self.exporter)))
        self.tracer = provider.get_tracer("test")

    @property
    def sent(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[trace.Span]:
        with self.tracer.start_as_current_span(name, attributes=attributes) as span:
            yield span

    @contextmanager
    def execution(self, name: str = "execution", run_id: str = "run-1") -> Iterator[trace.Span]:
        with (
            spans_of(run_id),
            self.tracer.start_as_current_span(name, attributes=EXECUTION) as span,
        ):
            yield span


@pytest.fixture
def traced() -> Traced:
    return Traced()


def test_nothing_of_an_execution_is_sent_before_its_end_and_then_the_outermost_first(
    traced: Traced,
) -> None:
    with traced.execution():
        with traced.span("stage"):
            with traced.span("agent"):
                pass
            with traced.span("checkpoint"):
                pass
        assert traced.sent == []

    assert traced.sent == ["execution", "stage", "checkpoint", "agent"]


def test_spans_outside_of_an_execution_are_sent_as_they_end(traced: Traced) -> None:
    with traced.span("request"), traced.span("tool"):
        pass

    assert traced.sent == ["tool", "request"]


async def test_a_span_names_its_run_in_tasks_and_threads_too(traced: Traced) -> None:
    async def task() -> None:
        with traced.span("in a task"):
            pass

    def thread() -> None:
        with traced.span("in a thread"):
            pass

    with traced.execution():
        await asyncio.gather(asyncio.create_task(task()), asyncio.to_thread(thread))
    with traced.span("outside"):
        pass

    named = {
        span.name: (span.attributes or {}).get(traces.CONVERSATION_ID)
        for span in traced.exporter.get_finished_spans()
    }
    assert named.pop("outside") is None
    assert set(named) == {"execution", "in a task", "in a thread"}
    assert set(named.values()) == {"run-1"}


def test_two_runs_in_the_trace_of_one_caller_do_not_wait_for_each_other(traced: Traced) -> None:
    with traced.span("caller"):
        with spans_of("run-2"):
            other = traced.tracer.start_span("other", attributes=EXECUTION)
        with traced.execution(), traced.span("stage"):
            pass
        assert traced.sent == ["execution", "stage"]
        other.end()

    assert traced.sent == ["execution", "stage", "other", "caller"]


def test_an_execution_that_lost_its_lease_sends_nothing(traced: Traced) -> None:
    with traced.execution() as span:
        with traced.span("stage"):
            pass
        span.set_attribute(traces.OUTCOME, traces.LEASE_LOST)

    assert traced.sent == []


def test_an_execution_of_very_many_spans_holds_a_limited_number(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_spans, "MAX_HELD", 3)

    with traced.execution():
        for number in range(5):
            with traced.span(str(number)):
                pass
        assert traced.sent == ["3", "4"]

    assert traced.sent == ["3", "4", "execution", "2", "1", "0"]


def test_a_span_can_be_made_under_the_id_that_was_told_of_it(traced: Traced) -> None:
    with as_span("00f067aa0ba902b7"):
        told = traced.tracer.start_span("told")
    other = traced.tracer.start_span("other")

    assert told.get_span_context().span_id == 0x00F067AA0BA902B7
    assert other.get_span_context().span_id != 0x00F067AA0BA902B7


def test_what_a_caller_does_not_sample_is_not_held(traced: Traced) -> None:
    unsampled = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(0))
    parent = trace.set_span_in_context(trace.NonRecordingSpan(unsampled))

    with traced.tracer.start_as_current_span("execution", parent, attributes=EXECUTION):
        pass

    assert traced.sent == []


def test_what_is_beside_an_execution_and_not_inside_it_does_not_wait_for_its_end(
    traced: Traced,
) -> None:
    with traced.span("request"):
        request = trace.get_current_span()
        with traced.execution():
            traced.tracer.start_span("wait", trace.set_span_in_context(request)).end()
            assert traced.sent == ["wait"]

    assert traced.sent == ["wait", "execution", "request"]
