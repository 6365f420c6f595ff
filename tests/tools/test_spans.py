"""The desk's spans: attributes from the start, errors told once and by their code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import StatusCode

import agents.base
import tools.base
from agents.base import Agent
from data.contracts.base import Contract
from data.contracts.errors import CreditDeskError, ToolUnavailableError
from tools.base import tool
from tools.spans import already_told, current_span, untraced


class Question(Contract):
    text: str = "?"


class Finding(Contract):
    text: str = "!"


@tool(name="look_up")
def look_up(fails: Exception | None = None) -> str:
    if fails is not None:
        raise fails
    return "found"


class Clerk(Agent[Question, Finding]):
    name = "clerk"

    def __init__(self, fails_in_tool: Exception | None = None, fails: Exception | None = None):
        self.fails_in_tool, self.fails = fails_in_tool, fails

    async def answer(self, question: Question) -> Finding:
        look_up(self.fails_in_tool)
        if self.fails is not None:
            raise self.fails
        return Finding()


class Remembering(Sampler):
    """Samples everything, and keeps the attributes that it was shown."""

    def __init__(self) -> None:
        self.shown: dict[str, Mapping[str, Any]] = {}

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Sequence[Any] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        self.shown[name] = dict(attributes or {})
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        return "remembering"


class Traced:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sampler, self.exporter = Remembering(), InMemorySpanExporter()
        provider = TracerProvider(sampler=self.sampler)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        for module in (agents.base, tools.base):
            monkeypatch.setattr(module, "_tracer", self.tracer)

    async def failed(self, clerk: Clerk) -> dict[str, ReadableSpan]:
        """The spans of a question whose answer is an error, by name."""
        with suppress(CreditDeskError), current_span(self.tracer, "stage"):
            await clerk.run(Question())
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    return Traced(monkeypatch)


def told(spans: dict[str, ReadableSpan]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [dict(event.attributes or {}) for event in span.events]
        for name, span in spans.items()
        if span.events
    }


async def test_a_sampler_sees_operation_agent_provider_model_and_tool(traced: Traced) -> None:
    await Clerk().run(Question())

    assert traced.sampler.shown["invoke_agent clerk"].items() >= {
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.agent.name", "clerk"),
        ("gen_ai.provider.name", "credit_desk"),
        ("gen_ai.request.model", "rules/1.0.0"),
    }
    assert traced.sampler.shown["execute_tool look_up"].items() >= {
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "look_up"),
    }


async def test_an_error_of_a_tool_is_told_there_and_ends_what_is_around_it(traced: Traced) -> None:
    spans = await traced.failed(Clerk(fails_in_tool=ToolUnavailableError("no answer")))

    once = {"exception.type": "ToolUnavailableError", "error.type": "tool_unavailable"}
    assert told(spans) == {"execute_tool look_up": [once]}
    assert {span.status.status_code for span in spans.values()} == {StatusCode.ERROR}
    codes = {(span.attributes or {})["error.type"] for span in spans.values()}
    assert codes == {"tool_unavailable"}


async def test_an_error_of_an_agent_is_told_at_the_agent(traced: Traced) -> None:
    spans = await traced.failed(Clerk(fails=ValueError("born on 1983-01-23")))

    assert list(told(spans)) == ["invoke_agent clerk"]
    assert spans["execute_tool look_up"].status.status_code is not StatusCode.ERROR


async def test_the_text_of_a_foreign_error_is_in_no_span(traced: Traced) -> None:
    foreign = ValueError("born on 1983-01-23")
    spans = await traced.failed(Clerk(fails_in_tool=foreign))
    with suppress(ValueError), current_span(traced.tracer, "bare"):
        raise foreign

    spans |= {span.name: span for span in traced.exporter.get_finished_spans()}
    assert not [span for span in spans.values() if "born on" in span.to_json()]


def test_an_error_that_sums_up_others_is_not_told_again(traced: Traced) -> None:
    with suppress(ValueError), current_span(traced.tracer, "fan_out"):
        raise already_told(ValueError())

    (span,) = traced.exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert not span.events


async def test_nothing_is_made_where_nothing_is_traced(traced: Traced) -> None:
    with untraced():
        await Clerk().run(Question())

    assert traced.sampler.shown == {}
