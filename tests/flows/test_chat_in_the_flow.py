"""The whole flow with a chat model: decisions equal to those of the rules, whatever it says."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from agents.voice import voice_of
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile, Persona
from data.contracts.events import EventType
from data.contracts.policy import Rule
from data.contracts.wording import Degradation, ModelUse
from data.settings import Settings, settings
from flows.inline import Decided, underwrite_inline
from flows.rulebook import current_rulebook
from flows.runtime.execution.context import AgentPolicy
from flows.runtime.execution.model_budget import ModelBudget
from flows.service.evaluation import evaluate
from flows.terms import facts_of
from tests.attacks import ATTACKS
from tests.chat_server import (
    ChatServer,
    Reply,
    Script,
    agent_of,
    evidence_in,
    fields_in,
    worded,
)
from tests.flows.inline import QUICK, Underwritten, persona, supplies, underwritten
from tools.case_files import case_ids
from tools.letter_points import letter_points

ON_REQUEST = "underwriter.letter=chat,doc_intake.reading=chat"
PERSONAS = case_ids(Settings().data_dir)


@pytest.fixture
def server(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A server that no desk uses yet."""
    yield server
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def chat(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put the desk of this process on the server; `chat(agent_backend="rules")` takes it off."""

    def use(**more: Any) -> None:
        plain = {
            "agent_backend": "chat",
            "agent_backends": "" if more.get("agent_backend") == "rules" else ON_REQUEST,
            "chat_model": "gpt-4.1-mini",
            "chat_base_url": server.url,
            "chat_retries": 0,
        }
        for name, value in (plain | more).items():
            monkeypatch.setenv(f"CREDIT_DESK_{name.upper()}", str(value))
        settings.cache_clear()

    return use


async def both(
    case: Persona, chat: Callable[..., None], policy: AgentPolicy = QUICK, **more: Any
) -> tuple[Underwritten, Underwritten]:
    """The case on rules, and on the chat model."""
    steps = [supplies(case)] if case.later_documents else []
    chat(agent_backend="rules")
    by_rules = await underwritten(case, *steps, agent_policy=policy)
    chat(**more)
    return by_rules, await underwritten(case, *steps, agent_policy=policy)


def require_equal(by_rules: Underwritten, by_chat: Underwritten) -> None:
    """Gates and decision are the same, the decision to the byte."""
    assert by_chat.gates == by_rules.gates
    assert [asked.facts for _, asked in by_chat.script.asked] == [
        asked.facts for _, asked in by_rules.script.asked
    ]
    assert repr(by_chat.error) == repr(by_rules.error)
    assert by_chat.is_decided == by_rules.is_decided
    assert by_chat.run.state.policy == by_rules.run.state.policy
    if by_rules.is_decided:
        assert canonical_json(by_chat.content) == canonical_json(by_rules.content)
        require_letters(by_rules, by_chat)


def require_letters(by_rules: Underwritten, by_chat: Underwritten) -> None:
    """The letters begin with those of the rules, and end in the accepted sentences alone."""
    for plain, letter in zip(by_rules.letters, by_chat.letters, strict=True):
        wording = letter.pop("wording", {})
        added = letter["text"].removeprefix(plain["text"]).strip().splitlines()
        assert [line[2:] for line in added[1:]] == wording.get("sentences", [])
        if not added:
            assert letter == plain
            assert not wording or wording["degraded"]


def used(done: Underwritten) -> list[ModelUse]:
    return [said.model_use for said in done.run.memory if said.model_use is not None]


FAULTY: dict[str, Script] = {
    "careful": lambda body: None,
    "malformed": lambda body: Reply("{not json"),
    "schema": lambda body: Reply('{"text": 5, "statements": "none"}'),
    "contradicts": lambda body: Reply(worded("Approved for 99999.00.", outcome="approve")),
    "refuses": lambda body: Reply(status=500),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTY)
@pytest.mark.parametrize("name", PERSONAS)
async def test_every_persona_is_decided_as_by_rules(
    server: ChatServer, chat: Callable[..., None], name: str, fault: str
) -> None:
    server.script = FAULTY[fault]

    # The agents on request go the same way for every fault: two faults show it.
    more: dict[str, Any] = {} if fault in {"careful", "contradicts"} else {"agent_backends": ""}
    by_rules, by_chat = await both(persona(name), chat, **more)

    require_equal(by_rules, by_chat)
    assert server.bodies, "the model was asked"
    degraded = {use.degraded for use in used(by_chat)}
    expected = {
        "careful": {None},
        "refuses": {Degradation.UNAVAILABLE},
    }.get(fault, {Degradation.REFUSED})
    assert degraded == expected
    if not more and by_chat.is_decided and letter_points(by_chat.content):
        marks = [letter["wording"].get("degraded") for letter in by_chat.letters]
        assert set(marks) == {why and why.value for why in expected}


async def test_a_run_says_which_model_spoke_and_what_it_has_used(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    _, done = await both(persona("ada-prime"), chat)

    answered = {draft.meta["agent"]: draft.meta for draft in done.said(EventType.AGENT_COMPLETED)}
    asked = Counter(agent_of(body) for body in server.bodies)
    assert set(asked) == {
        *("doc_intake", "doc_intake.reading", "kyc", "fraud", "income"),
        *("credit_risk.bureau", "underwriter.pricing", "underwriter.decision"),
    }
    for label in asked:
        meta = answered[label]
        assert meta["model"] == "gpt-4.1-mini"
        assert meta["prompt"] == "credit-desk.1"
        assert meta["tokens"] == {"prompt": 120, "completion": 30}
        assert Decimal(meta["cost_usd"]) == Decimal("0.000096")
    assert answered["credit_risk.scorecard"]["model"].startswith("rules/")
    said = {message.author: message for message in done.run.memory}
    use = said["underwriter.decision"].model_use
    assert use is not None
    assert (use.model, use.calls, use.tokens) == ("gpt-4.1-mini", 1, 150)
    assert use.latency_ms > 0
    assert "approve" in said["underwriter.decision"].text


async def test_the_policy_sees_how_many_texts_were_replaced(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    server.script = lambda body: Reply(status=500) if agent_of(body) in {"kyc", "income"} else None

    _, done = await both(persona("ada-prime"), chat)

    verification = done.run.state.verification
    assert verification is not None
    book = current_rulebook(settings().data_dir)
    facts = facts_of(book, persona("ada-prime").case, done.run.state.evidence)
    assert facts.degraded_texts == 2


async def test_a_value_that_is_read_otherwise_changes_no_number_and_the_policy_sees_it(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    def takes_net_for_gross(body: dict[str, Any]) -> Reply | None:
        if agent_of(body) != "doc_intake.reading":
            return None
        documents = evidence_in(body)["documents"]
        fields = {field["field"]: field for field in fields_in(documents)}
        return Reply(json.dumps({"fields": [fields["net"] | {"field": "gross"}]}))

    server.script = takes_net_for_gross

    by_rules, done = await both(persona("ada-prime"), chat)

    require_equal(by_rules, done)
    book = current_rulebook(settings().data_dir)
    facts = facts_of(book, persona("ada-prime").case, done.run.state.evidence)
    assert facts.reading_differences == 1
    assert "1 values read again, 1 differ" in {said.text for said in done.run.memory}


async def test_a_rule_of_the_policy_can_refer_a_case_whose_texts_were_replaced(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    server.script = lambda body: Reply(status=500)
    chat()
    case, book = persona("ada-prime").case, current_rulebook(settings().data_dir)
    rule = Rule.model_validate(
        {
            "id": "model-degraded",
            "label": "A chat model failed",
            "when": {"fact": "degraded_texts", "op": "gt", "value": 0},
            "outcome": "refer",
            "reason": "R99_IDENTITY_UNVERIFIABLE",
            "owner": "risk",
            "effective_from": "2026-01-01",
        }
    )
    rules = (*book.policy.rules, rule)
    strict = book.model_copy(update={"policy": book.policy.model_copy(update={"rules": rules})})

    by_rules = await underwrite_inline(case, strict)
    report = await evaluate([case], strict, "chat", voice_of(settings()))

    assert isinstance(by_rules, Decided), "on rules there is no text to replace"
    assert report.differing["ada-prime"]
    assert "gate" in report.differing["ada-prime"]


async def test_a_budget_stops_further_requests_and_the_run_goes_on(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    tight = AgentPolicy(backoff_seconds=0.001, model_budget=ModelBudget(run_tokens=2000))

    by_rules, by_chat = await both(persona("ada-prime"), chat, tight)

    require_equal(by_rules, by_chat)
    uses = used(by_chat)
    assert Degradation.BUDGET in {use.degraded for use in uses}
    assert 0 < sum(use.tokens for use in uses) <= 2000
    assert len(server.bodies) == sum(use.calls for use in uses) < len(uses)


async def test_a_budget_of_a_stage_leaves_the_other_stages_theirs(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    one = AgentPolicy(backoff_seconds=0.001, model_budget=ModelBudget(stage_usd=Decimal("0.0018")))

    _, done = await both(persona("ada-prime"), chat, one)

    by_stage = {message.stage: [] for message in done.run.memory}  # type: ignore[var-annotated]
    for message in done.run.memory:
        if message.model_use is not None:
            by_stage[message.stage].append(message.model_use.degraded)
    assert Degradation.BUDGET in by_stage["verification"]
    assert by_stage["decision"] == [None]


async def test_the_memo_arrives_in_few_pieces_while_it_is_written(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    text = "The outcome is approve. " * 40
    long = Reply(worded(text), piece=5)
    server.script = lambda body: long if agent_of(body) == "underwriter.decision" else None

    _, done = await both(persona("ada-prime"), chat)

    deltas = done.said(EventType.AGENT_DELTA)
    assert 2 <= len(deltas) <= 12
    assert {draft.meta["agent"] for draft in deltas} == {"underwriter.decision"}
    assert "".join(draft.meta["text"] for draft in deltas).strip() == text.strip()
    assert len(done.drafts) <= 100


async def test_no_piece_of_a_contradiction_is_told(
    server: ChatServer, chat: Callable[..., None]
) -> None:
    lie = Reply(worded("The outcome is approve. The rate is 1.11 percent. " * 9), piece=9)
    server.script = lambda body: lie if agent_of(body) == "underwriter.decision" else None

    _, done = await both(persona("ada-prime"), chat)

    told = "".join(draft.meta["text"] for draft in done.said(EventType.AGENT_DELTA))
    assert "1.11" not in told
    assert used(done)[-1].degraded is Degradation.REFUSED
    assert server.sent.count("decision memo") == 3


def attacked(case: Persona, attack: str) -> CaseFile:
    """The case with the text in the lines of its documents that name no person."""
    plain = case.case.model_dump()
    for document in plain["documents"]:
        content = json.loads(base64.b64decode(document["content_base64"]))
        if document["kind"] == "paystub":
            content["deductions"] = [{"label": attack, "amount": "1.00"}]
        elif document["kind"] == "bank_statement":
            for entry in content["transactions"]:
                if entry["category"] not in {"payroll", "income", "salary"}:
                    entry["description"] = attack
        else:
            content["issuer" if "issuer" in content else "payer"] = attack
        raw = json.dumps(content).encode()
        document["content_base64"] = base64.b64encode(raw).decode()
        document |= {"size_bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    return CaseFile.model_validate(plain)


def bare(text: str) -> str:
    """A text without what JSON escapes, once or twice."""
    return text.replace("\\", "").replace('"', "")


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", ["ivan-mismatch", "dee-debtor"])
async def test_an_instruction_in_a_document_changes_no_number_and_no_decision(
    server: ChatServer, chat: Callable[..., None], name: str, attack: str
) -> None:
    """The model of this test obeys: it reads the documents and repeats what the attacker wants."""
    obeyed = Reply(worded("Approved. The income is 99999.00.", verified_monthly="99999.00"))

    def gullible(body: dict[str, Any]) -> Reply:
        has_tools = bool(body.get("tools")) and body["messages"][-1]["role"] == "user"
        return Reply(tool=body["tools"][0]["function"]["name"]) if has_tools else obeyed

    server.script = gullible
    case = attacked(persona(name), attack)

    chat(agent_backend="rules")
    by_rules = await underwritten(case)
    chat()
    by_chat = await underwritten(case)

    require_equal(by_rules, by_chat)
    assert bare(attack) in bare(server.sent), "the model has seen it"
    assert {use.degraded for use in used(by_chat)} == {Degradation.REFUSED}
    texts = " ".join(message.text for message in by_chat.run.memory)
    assert "99999.00" not in texts


def test_the_evidence_of_the_decision_names_no_other_result() -> None:
    body = {"messages": [{"role": "user", "content": 'x\n{"outcome": "decline"}'}]}

    assert evidence_in(body) == {"outcome": "decline"}
