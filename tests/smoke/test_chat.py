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
from data.contracts.review import Person
from data.contracts.runs import RunStatus
from flows.runtime.ledger import bundles, canaries
from flows.runtime.ledger.database import Ledger
from tests.chat_server import ChatServer, Reply, agent_of, chat_server, worded
from tests.desk import Desk, StartedRun, desk_in
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


async def test_a_canary_of_chat_against_rules_decides_alike_and_reports_what_each_arm_costs(
    chat_desk: Desk, server: ChatServer
) -> None:
    for name, backend in (("plain", "rules"), ("voiced", "chat")):
        made = await posted(chat_desk, "bundles", name=name, parts={"agent_backend": backend})
        assert made["versions"]["agent_backend"] == backend
    with Ledger(f"sqlite:///{chat_desk.home / 'ledger.db'}") as ledger, ledger.writing() as writing:
        bundles.promote(writing, bundles.find(writing, "plain"), Person(name="Olga"))
    canary = await posted(
        chat_desk,
        "canaries",
        challenger="voiced",
        mode="live",
        share="0.5",
        evidence={"guards": [{"metric": "error_rate", "at_most": "0"}]},
        reviewer="Olga",
    )
    with Ledger(f"sqlite:///{chat_desk.home / 'ledger.db'}") as ledger, ledger.reading() as reading:
        row = canaries.find(reading, canary["canary_id"])
    names = [f"armed-{number}" for number in range(40)]
    voiced = next(name for name in names if row.has_in_share(name))
    plain = next(name for name in names if not row.has_in_share(name))
    server.forget()

    by_rules = await chat_desk.start("ada-prime", **{"as": plain})
    decided_by_rules = await by_rules.decision()
    assert server.bodies == []
    by_chat = await chat_desk.start("ada-prime", **{"as": voiced})
    decided_by_chat = await by_chat.decision()
    assert len(server.bodies) == 7
    report = await measured(chat_desk, canary["canary_id"])
    await posted(chat_desk, f"canaries/{canary['canary_id']}/stop", reviewer="Olga")
    (await chat_desk.http.delete("/bundles/in-force?reviewer=Olga")).raise_for_status()

    assert decided_by_chat.versions.bundle == "voiced"
    # The memo and the versions name the bundle, the application is a copy of another name.
    named = {"application_id", "versions", "memo", "fingerprint", "input_hashes"}
    assert decided_by_chat.model_dump(exclude=named) == decided_by_rules.model_dump(exclude=named)
    costs = next(one for one in report["comparisons"] if one["metric"] == "cost_usd")
    assert (costs["champion"]["value"], costs["challenger"]["value"]) == (0, 0.000672)

    forked = await posted(chat_desk, f"runs/{by_rules.run_id}/resume", checkpoint="bureau")
    await StartedRun(chat_desk, forked["run_id"], plain).until(RunStatus.COMPLETED)
    assert len(server.bodies) == 7, "a fork words as its parent, and not as the desk does"


async def posted(desk: Desk, path: str, **body: Any) -> dict[str, Any]:
    answer = await desk.http.post(f"/{path}", json=body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def measured(desk: Desk, canary_id: str) -> dict[str, Any]:
    """The report once a case is measured in each arm."""
    async with asyncio.timeout(60):
        while True:
            report: dict[str, Any] = (await desk.http.get(f"/canaries/{canary_id}")).json()
            if min(report["cases"].values()):
                return report
            await asyncio.sleep(0.5)


async def until_answered(run: Any, agents: set[str]) -> None:
    """Wait until the journal has the answers of these agents."""
    async with asyncio.timeout(30):
        while agents:
            event = await run.until(EventType.AGENT_COMPLETED)
            agents = agents - {event.meta["agent"]}
