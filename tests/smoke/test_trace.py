"""One trace per run: from the request, over worker and suspension, to the last tool call."""

from __future__ import annotations

import asyncio

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk
from tests.otlp import Receiver


async def test_every_tool_call_hangs_on_the_request_that_began_it(
    desk: Desk, otlp: Receiver
) -> None:
    run = await desk.start("ada-prime")
    await run.until(RunStatus.COMPLETED)
    trace_id = (await run.summary()).trace_id

    tool = await asyncio.to_thread(otlp.wait_for, trace_id, "execute_tool screen_watchlists")
    await asyncio.to_thread(otlp.wait_for, trace_id, "POST /runs")
    await asyncio.to_thread(otlp.wait_for, trace_id, "invoke_workflow underwrite")

    path = otlp.path(tool)
    assert path[:3] == ["POST /runs", "invoke_workflow underwrite", "stage verification"]
    assert path[-3:] == ["agent kyc", "invoke_agent kyc", "execute_tool screen_watchlists"]
    assert tool.service == "credit-desk-lite"
    fan_out = await asyncio.to_thread(otlp.wait_for, trace_id, "fan_out verification")
    assert fan_out.began <= tool.began
    assert tool.ended <= fan_out.ended


async def test_each_wait_is_drawn_once_and_what_follows_it_stays_in_the_trace(
    desk: Desk, otlp: Receiver
) -> None:
    override = {"decision": "approve", "reason_code": "compensating_income"}
    run = await desk.start("uma-override")
    await run.until(EventType.WAITING)
    await run.answer(**override)
    await run.until(EventType.WAITING)
    await run.answer(**override, reviewer="another")
    await run.until(RunStatus.COMPLETED)
    trace_id = (await run.summary()).trace_id

    await asyncio.to_thread(otlp.wait_for, trace_id, "hitl_wait second_approval")
    wait = await asyncio.to_thread(otlp.wait_for, trace_id, "hitl_wait underwriter")
    last = await asyncio.to_thread(otlp.wait_for, trace_id, "invoke_agent underwriter.decision")

    assert otlp.path(wait)[0] == "POST /runs"
    assert wait.ended <= last.began
    assert otlp.path(last)[0] == "POST /runs"
    assert last.attributes["genai.agent"] == "underwriter.decision"
    assert last.attributes["gen_ai.operation.name"] == "invoke_agent"
    first = await asyncio.to_thread(otlp.wait_for, trace_id, "invoke_agent doc_intake")
    assert first.ended <= wait.began
    waits = [span.name for span in otlp.trace(trace_id) if span.name.startswith("hitl_wait")]
    assert sorted(waits) == ["hitl_wait second_approval", "hitl_wait underwriter"]


async def test_every_event_names_its_trace_and_an_exported_span(desk: Desk, otlp: Receiver) -> None:
    run = await desk.start("ada-prime")
    events = await run.events()
    trace_id = (await run.summary()).trace_id
    await asyncio.to_thread(otlp.wait_for, trace_id, "invoke_workflow underwrite")

    exported = {span.span_id for span in otlp.trace(trace_id)}

    assert {event.trace_id for event in events} == {trace_id}
    assert {event.span_id for event in events} <= exported
