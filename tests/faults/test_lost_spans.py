"""The trace of a run whose worker was killed: what it had begun is drawn from the journal."""

from __future__ import annotations

import asyncio

import pytest

from data import traces
from tests.faults import held_runs
from tests.faults.desk_process import FaultyDesk
from tests.otlp import Receiver

pytestmark = pytest.mark.timeout(300)


async def test_a_killed_execution_is_drawn_once_with_the_ids_that_its_events_name(
    faulty_desk: FaultyDesk, otlp: Receiver
) -> None:
    case = await held_runs.start_held(faulty_desk)
    killed_at = faulty_desk.journal(case.run_id)[-1]["id"]

    await faulty_desk.kill("worker")
    held_runs.let_go(faulty_desk, case)
    await held_runs.until_ended(faulty_desk, case)

    events = faulty_desk.journal(case.run_id)
    trace_id = events[0]["trace_id"]
    spans = await asyncio.to_thread(otlp.whole_tree, trace_id, 2)
    by_id = {span.span_id: span for span in spans}
    told = {event["span_id"] for event in events if event["id"] <= killed_at}
    assert told <= by_id.keys()
    assert {event["trace_id"] for event in events} == {trace_id}

    lost = {span.name for span in spans if span.attributes.get(traces.LOST)}
    assert lost >= {"invoke_workflow underwrite", "stage verification", "agent fraud"}
    whole = [by_id[span_id].name for span_id in told if by_id[span_id].name not in lost]
    assert {"stage doc_intake", "agent doc_intake"} <= set(whole)
    first = min(spans, key=lambda span: span.began)
    assert first.name == "POST /runs"
    fraud = next(span for span in spans if span.name == "agent fraud" and span.name in lost)
    above = ["POST /runs", "invoke_workflow underwrite", "stage verification"]
    assert otlp.path(fraud) == [*above, "agent fraud"]


async def test_an_api_that_is_killed_right_after_its_answer_leaves_the_root_of_the_trace(
    faulty_desk: FaultyDesk, otlp: Receiver
) -> None:
    case = await held_runs.start(faulty_desk)
    await faulty_desk.kill("api")

    await held_runs.until_ended(faulty_desk, case)
    await faulty_desk.ready()
    await faulty_desk.http.get(f"/runs/{case.run_id}")  # a span that the collector takes

    trace_id = faulty_desk.journal(case.run_id)[0]["trace_id"]
    spans = await asyncio.to_thread(otlp.whole_tree, trace_id, 1)
    (root,) = [span for span in spans if not span.parent_id]
    assert root.attributes[traces.CONVERSATION_ID] == case.run_id
