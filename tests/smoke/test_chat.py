"""A desk on a chat model: one trace, one account, and no request that is made twice."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from data import traces
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.chat_server import ChatServer, Reply, agent_of, chat_server, worded
from tests.desk import Desk, desk_in
from tests.otlp import Receiver, SeenSpan

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture(scope="module")
async def chat_desk(
    tmp_path_factory: pytest.TempPathFactory, server: ChatServer, otlp: Receiver
) -> AsyncIterator[Desk]:
    """A desk whose agents have a chat model."""
    async with desk_in(
        tmp_path_factory.mktemp("chat"),
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
        CREDIT_DESK_AGENT_BACKEND="chat",
        CREDIT_DESK_CHAT_MODEL="gpt-4.1-mini",
        CREDIT_DESK_CHAT_BASE_URL=server.url,
        CREDIT_DESK_CHAT_CACHE_DAYS="0",  # each test counts the requests of its own run
    ) as running:
        yield running


def requests(server: ChatServer) -> Counter[str]:
    """How often each request was made."""
    return Counter(json.dumps(body["messages"]) for body in server.bodies)


async def test_the_spans_of_the_framework_hang_in_the_run_without_doubles(
    chat_desk: Desk, server: ChatServer, otlp: Receiver
) -> None:
    server.forget()
    asks = Reply(tool="score_fraud_signals")
    server.script = lambda body: (
        asks if agent_of(body) == "fraud" and body["messages"][-1]["role"] == "user" else None
    )
    run = await chat_desk.start("ada-prime")
    await run.until(RunStatus.COMPLETED)

    spans = await asyncio.to_thread(otlp.whole_tree, (await run.summary()).trace_id, 1)

    by_id = {span.span_id: span for span in spans}
    calls = [span for span in spans if span.name == "chat gpt-4.1-mini"]
    assert len(calls) == len(server.bodies) == 8
    assert all(parent(span, by_id).name.startswith("invoke_agent") for span in calls)
    (fraud,) = [span for span in spans if span.name == "invoke_agent fraud"]
    below = [span.name for span in spans if span.parent_id == fraud.span_id]
    # The rules use the tool once, and the model once.
    assert Counter(below) == {"execute_tool score_fraud_signals": 2, "chat gpt-4.1-mini": 2}
    assert len([span for span in spans if span.name == "invoke_agent kyc"]) == 1
    assert fraud.attributes[traces.COPY_PROMPT_TOKENS] == 240
    assert fraud.attributes[traces.COPY_MODEL] == "gpt-4.1-mini"
    assert fraud.attributes[traces.COST] == pytest.approx(0.000192)
    assert {span.attributes.get("gen_ai.usage.input_tokens") for span in calls} == {120}
    told = repr([(span.attributes, span.events) for span in spans])
    assert "You write short texts" not in told
    assert "The score is" not in told


def parent(span: SeenSpan, by_id: dict[str, SeenSpan]) -> SeenSpan:
    return by_id[span.parent_id]


async def test_a_run_answers_with_what_it_has_used_and_its_thread_with_what_was_said(
    chat_desk: Desk, server: ChatServer
) -> None:
    server.forget()
    run = await chat_desk.start("ada-prime")
    events = await run.events()

    summary = await run.summary()
    memory = (await chat_desk.http.get(f"{run.url}/memory")).json()
    metrics = (await chat_desk.http.get("/metrics")).text

    use = summary.model_use
    assert use is not None
    assert (use.prompt_tokens, use.completion_tokens) == (7 * 120, 7 * 30)
    assert str(use.cost_usd) == "0.000672"
    assert use.stages["verification"].calls == 3
    assert use.agents["underwriter.decision"].prompt == "credit-desk.1"
    said = {message["author"]: message for message in memory}
    assert "outcome is approve" in said["underwriter.decision"]["text"]
    assert said["kyc"]["model_use"]["model"] == "gpt-4.1-mini"
    assert "model_use" not in said["credit_risk.scorecard"]
    deltas = [event for event in events if event.type is EventType.AGENT_DELTA]
    assert 1 <= len(deltas) <= 12
    assert len(events) <= 100
    assert 'credit_desk_agent_cost_usd_total{agent="kyc",model="gpt-4.1-mini"}' in metrics


async def test_a_worker_that_is_killed_in_a_model_call_repeats_no_finished_one(
    chat_desk: Desk, server: ChatServer
) -> None:
    server.forget()
    hangs, go_on = threading.Event(), threading.Event()

    def script(body: dict[str, Any]) -> Reply | None:
        """Fraud asks for a tool; the request with its result hangs, the first time."""
        if agent_of(body) != "fraud":
            return None
        if body["messages"][-1]["role"] == "user":
            return Reply(tool="score_fraud_signals")
        if not hangs.is_set():
            hangs.set()
            go_on.wait(60)
        return Reply(worded("The band is low."))

    server.script = script
    run = await chat_desk.start("ada-prime")
    assert await asyncio.to_thread(hangs.wait, 30)
    # The others of the fan-out have their answers by now, and have kept them.
    await until_answered(run, {"kyc", "income"})

    await chat_desk.kill("worker")
    go_on.set()
    await run.until(RunStatus.COMPLETED, seconds=60)

    made = requests(server)
    twice = [text for text, count in made.items() if count > 1]
    assert len(twice) == 1, "only the request that was under way is made again"
    assert '"role": "tool"' in twice[0]
    assert made[twice[0]] == 2
    answered = {
        event.meta["agent"]: event.meta
        for event in await run.events()
        if event.type is EventType.AGENT_COMPLETED
    }
    assert (answered["fraud"]["model_calls"], answered["fraud"]["model_cache_hits"]) == (1, 1)
    use = (await run.summary()).model_use
    assert use is not None
    assert use.prompt_tokens == 8 * 120, "what the first execution has used counts once"


async def until_answered(run: Any, agents: set[str]) -> None:
    """Wait until the journal has the answers of these agents."""
    async with asyncio.timeout(30):
        while agents:
            event = await run.until(EventType.AGENT_COMPLETED)
            agents = agents - {event.meta["agent"]}
