"""The span of a wait: from the question to its end, under the request that began the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from data import traces
from data.contracts.events import EventType
from data.contracts.review import Review, ReviewRequest, Role
from data.contracts.runs import RunStatus
from flows.runtime.host import wait_span
from flows.runtime.host.run_spans import RunSpans
from flows.runtime.host.wait_span import draw_wait
from flows.runtime.ledger import journal, reviews
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import feed
from tests.flows.runtime.entries import RUN, a_run, draft

REQUEST = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(RunSpans(SimpleSpanProcessor(exporter)))
    monkeypatch.setattr(wait_span, "_tracer", provider.get_tracer("test"))
    return exporter


async def asked(ledger: Ledger) -> Review:
    await a_run(ledger, traceparent=REQUEST)
    request = ReviewRequest(role=Role.UNDERWRITER, title="t", summary="s")
    return await ledger.write(reviews.ask, RUN, "manager", 1, request)


async def test_a_wait_is_drawn_from_the_question_to_its_end(
    ledger: Ledger, spans: InMemorySpanExporter
) -> None:
    review = await asked(ledger)

    draw_wait(REQUEST, review, review.opened_at + timedelta(seconds=90))

    (span,) = spans.get_finished_spans()
    assert span.name == "hitl_wait manager"
    assert (span.end_time or 0) - (span.start_time or 0) == pytest.approx(90e9, abs=1e4)
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (int("a" * 32, 16), int("b" * 16, 16))
    about = span.attributes or {}
    assert (about[traces.CONVERSATION_ID], about[traces.ROLE]) == (RUN, "underwriter")


@pytest.mark.parametrize(
    ("type", "status"),
    [
        (EventType.RUN_FAILED, RunStatus.FAILED),
        (EventType.RUN_CANCELLED, RunStatus.CANCELLED),
    ],
)
async def test_the_end_of_a_run_draws_the_wait_that_it_gives_up_once(
    ledger: Ledger,
    spans: InMemorySpanExporter,
    type: EventType,
    status: RunStatus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(feed, "emit_event", lambda **fields: told.append(fields))
    await asked(ledger)

    for _ in range(2):  # the second end is told already
        end = [draft("end", type=type)]
        feed.publish(await ledger.write(journal.append, RUN, end, status=status))

    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})[traces.OUTCOME] == "closed"
    assert [event["event"] for event in told] == [f"desk.{type}"]
