"""The tree of a trace has no hole: one root and every parent there, however the run went."""

from __future__ import annotations

import asyncio

from data import traces
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk, StartedRun
from tests.otlp import Receiver, SeenSpan

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def tree_of(run: StartedRun, otlp: Receiver, executions: int = 1) -> list[SeenSpan]:
    trace_id = (await run.summary()).trace_id
    return await asyncio.to_thread(otlp.whole_tree, trace_id, executions)


def outcomes(spans: list[SeenSpan]) -> list[str]:
    """How the executions of a run ended, in their order."""
    found = [span for span in spans if span.name.startswith("invoke_workflow")]
    found.sort(key=lambda span: span.began)
    return [str(span.attributes.get(traces.OUTCOME, "")) for span in found]


async def test_every_span_of_a_run_names_it_and_the_execution_leads_back_to_it(
    desk: Desk, otlp: Receiver
) -> None:
    run = await desk.start("ada-prime")
    await run.until(RunStatus.COMPLETED)

    spans = await tree_of(run, otlp)

    nameless = [span.name for span in spans if traces.CONVERSATION_ID not in span.attributes]
    assert nameless == ["execute_tool load_case"], "this one is used before the run is entered"
    named = {span.attributes[traces.CONVERSATION_ID] for span in spans if span.name not in nameless}
    assert named == {run.run_id}
    (execution,) = [span for span in spans if span.name == "invoke_workflow underwrite"]
    assert execution.attributes[traces.OPERATION] == "invoke_workflow"
    assert execution.attributes[traces.WORKFLOW_NAME] == "underwrite"
    assert execution.attributes[traces.RUN_URL] == f"{desk.api_url}/runs/{run.run_id}"
    summary = await run.summary()
    links = summary.links
    assert summary.trace_id in links.trace
    assert links.trace in links.span.format(span_id=execution.span_id)
    assert not [span for span in spans if span.error or span.events]


async def test_an_agent_of_rules_has_no_usage_and_keeps_the_copies(
    desk: Desk, otlp: Receiver
) -> None:
    run = await desk.start("ada-prime")
    await run.until(RunStatus.COMPLETED)
    spans = await tree_of(run, otlp)

    asked = next(span for span in spans if span.name == "invoke_agent kyc").attributes
    tool = next(span for span in spans if span.name.startswith("execute_tool")).attributes

    assert asked["gen_ai.provider.name"] == "credit_desk"
    assert asked["gen_ai.agent.name"] == asked["genai.agent"] == "kyc"
    assert asked["gen_ai.request.model"] == asked["genai.model"]
    assert (asked["genai.tokens.prompt"], asked["genai.tokens.completion"]) == (0, 0)
    assert asked["genai.latency_ms"] > 0
    assert asked["genai.cache_hit"] is False
    assert not [name for name in asked if name.startswith("gen_ai.usage")]
    assert tool["gen_ai.operation.name"] == "execute_tool"
    assert tool["gen_ai.tool.call.id"].startswith("call_")
    calls = [
        s.attributes["gen_ai.tool.call.id"] for s in spans if s.name.startswith("execute_tool")
    ]
    assert len(set(calls)) == len(calls)


async def test_a_run_with_a_gate_over_two_workers_is_one_tree(desk: Desk, otlp: Receiver) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    await asyncio.sleep(1.5)
    await desk.kill("worker")
    await run.answer(decision="approve")
    await run.until(RunStatus.COMPLETED)

    spans = await tree_of(run, otlp, executions=2)

    assert outcomes(spans) == ["suspended", ""]
    workers = {span.instance for span in spans if span.name.startswith("invoke_workflow")}
    assert len(workers) == 2
    (wait,) = [span for span in spans if span.name == "hitl_wait underwriter"]
    assert wait.attributes[traces.CONVERSATION_ID] == run.run_id
    events = await run.events()
    assert {event.trace_id for event in events} == {spans[0].trace_id}


async def test_the_trace_of_a_caller_goes_on_in_the_run(desk: Desk, otlp: Receiver) -> None:
    body = {"application_id": "ada-prime", "options": {"as": "ada-of-a-caller"}}
    answer = await desk.http.post("/runs", json=body, headers={"traceparent": CALLER})
    run = StartedRun(desk, answer.json()["run_id"], answer.json()["application_id"])
    await run.until(RunStatus.COMPLETED)

    _, trace_id, span_id, _ = CALLER.split("-")
    assert (await run.summary()).trace_id == trace_id
    await asyncio.to_thread(otlp.whole_tree, trace_id, 1, above=span_id)


async def test_a_caller_that_samples_no_trace_gets_none(desk: Desk, otlp: Receiver) -> None:
    unsampled = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    body = {"application_id": "ada-prime", "options": {"as": "ada-unsampled"}}
    answer = await desk.http.post("/runs", json=body, headers={"traceparent": unsampled})
    run = StartedRun(desk, answer.json()["run_id"], answer.json()["application_id"])
    await run.until(RunStatus.COMPLETED)
    await asyncio.sleep(2.5)

    assert otlp.trace(unsampled.split("-")[1]) == []


async def test_an_error_is_told_once_where_it_was_raised(desk: Desk, otlp: Receiver) -> None:
    run = await desk.start("tim-timeout", fan_out_policy="fail_fast")
    await run.until(EventType.RUN_FAILED)

    spans = await tree_of(run, otlp)

    told = [(span.name, event) for span in spans for event in span.events]
    assert {name for name, _ in told} == {"execute_tool fetch_bureau_report"}
    (kind, about) = told[0][1]
    assert kind == "exception"
    assert about == {"exception.type": "ToolUnavailableError", "error.type": "tool_unavailable"}
    failed = {span.name for span in spans if span.error}
    assert {"stage bureau", "agent credit_risk.bureau", "invoke_workflow underwrite"} <= failed


async def test_a_cancelled_run_is_a_tree_and_its_execution_says_so(
    desk: Desk, otlp: Receiver
) -> None:
    run = await desk.start("tim-timeout")
    await run.until(EventType.AGENT_STARTED)

    await desk.http.post(f"{run.url}/cancel")
    await run.until(EventType.RUN_CANCELLED)

    assert outcomes(await tree_of(run, otlp)) == ["stopped"]


async def test_a_wait_ends_when_its_run_is_cancelled(desk: Desk, otlp: Receiver) -> None:
    run = await desk.start("bora-borderline")
    await run.until(RunStatus.WAITING)

    await desk.http.post(f"{run.url}/cancel")
    ended = await run.until(EventType.RUN_CANCELLED)

    spans = await tree_of(run, otlp)
    (wait,) = [span for span in spans if span.name == "hitl_wait underwriter"]
    assert wait.attributes[traces.OUTCOME] == "closed"
    assert wait.attributes[traces.CONVERSATION_ID] == run.run_id
    assert abs(wait.ended - ended.ts.timestamp() * 1e9) < 1e6


async def test_a_fork_has_a_tree_of_its_own_that_is_linked_to_its_parents(
    desk: Desk, otlp: Receiver
) -> None:
    parent = await desk.start("ada-prime")
    await parent.until(RunStatus.COMPLETED)
    asked = {"checkpoint": "risk", "overrides": {}}
    answer = await desk.http.post(f"{parent.url}/resume", json=asked)
    fork = StartedRun(desk, answer.json()["run_id"], parent.application_id)
    await fork.until(RunStatus.COMPLETED)

    theirs, ours = (await parent.summary()).trace_id, (await fork.summary()).trace_id
    await asyncio.to_thread(otlp.wait_for, ours, "invoke_workflow underwrite")

    assert theirs != ours
    root = await asyncio.to_thread(otlp.wait_for, ours, "POST /runs/{run_id}/resume")
    assert root.links == (theirs,)
    (execution,) = otlp.named(ours, "invoke_workflow underwrite")
    assert otlp.path(execution)[0] == root.name
    ids = {span.span_id for span in otlp.trace(ours)}
    assert all(span.parent_id in {"", *ids} for span in otlp.trace(ours))
