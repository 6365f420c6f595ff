"""Agents on a chat model: the model words, the rules decide, and every fault ends in a text."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.base import Agent
from agents.conversation import Conversation, holding
from agents.doc_intake import DocIntakeAgent
from agents.fraud import FraudAgent
from agents.income import IncomeAgent
from agents.text_reader import TextReader
from agents.voice import ChatVoice, voice_named, voice_of
from data.contracts.errors import ContractViolationError
from data.contracts.wording import MODEL_DEGRADED, Degradation, Wording
from data.settings import AgentBackend, Settings
from tests.chat_server import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    ChatServer,
    Reply,
    worded,
)
from tests.desk import clean_environment
from tools.case_files import load_persona

MISMATCH = load_persona(Settings().data_dir, "ivan-mismatch").case
TRUE = worded("The income is discrepant: 5200.00 a month.", verified_monthly="5200.00")
FALSE = worded("The income is verified: 9999.00 a month.", verified_monthly="9999.00")


def desk(server: ChatServer, **more: Any) -> Settings:
    """Settings with a chat model on the server."""
    plain: dict[str, Any] = {
        "agent_backend": "chat",
        "chat_model": "gpt-4.1-mini",
        "chat_base_url": server.url,
        "chat_api_key": "secret-key",
        "chat_retries": 1,
    }
    return Settings(**plain | more)


async def worded_income(settings: Settings, agent: Agent[Any, Any] | None = None) -> Wording:
    """The text of the income agent, after its finding was compared with that of the rules."""
    rules = agent or IncomeAgent()
    with holding(Conversation()) as held:
        finding = await voice_of(settings).of(rules).run(MISMATCH)
    assert held.wording is not None
    by_rules = await rules.run(MISMATCH)
    degraded = (MODEL_DEGRADED,) if held.wording.use.degraded else ()
    assert finding == by_rules.model_copy(update={"warnings": by_rules.warnings + degraded})
    return held.wording


async def test_a_text_that_agrees_with_the_evidence_is_taken(server: ChatServer) -> None:
    server.says(Reply(TRUE))

    said = await worded_income(desk(server))

    assert said.text == "The income is discrepant: 5200.00 a month."
    assert said.use.degraded is None
    assert (said.use.calls, said.use.refusals) == (1, 0)
    assert (said.use.prompt_tokens, said.use.completion_tokens) == (
        PROMPT_TOKENS,
        COMPLETION_TOKENS,
    )
    micro_usd = PROMPT_TOKENS * 4 + COMPLETION_TOKENS * 16
    assert said.use.cost_usd == Decimal(micro_usd) / 10_000_000
    assert said.use.prompt == "credit-desk.1"


def test_a_process_asks_its_model_on_one_event_loop_after_the_other(server: ChatServer) -> None:
    server.script = lambda body: Reply(TRUE)
    settings = desk(server, chat_retries=0)

    with ThreadPoolExecutor(1) as elsewhere:
        texts = [elsewhere.submit(asyncio.run, worded_income(settings)).result() for _ in range(3)]

    assert [said.use.degraded for said in texts] == [None] * 3
    assert len(server.bodies) == 3


async def test_the_model_is_asked_for_the_desks_form_with_the_key_of_the_settings(
    server: ChatServer,
) -> None:
    server.says(Reply(TRUE))

    await worded_income(desk(server))

    form = server.bodies[0]["response_format"]["json_schema"]
    assert form["strict"] is True
    assert set(form["schema"]["properties"]) == {"text", "statements"}
    assert server.headers[0]["authorization"] == "Bearer secret-key"
    assert server.bodies[0]["model"] == "gpt-4.1-mini"


@pytest.mark.parametrize(
    "wrong",
    [
        FALSE,
        "no JSON at all",
        '{"text": "half',
        '{"text": "fine", "statements": [], "decision": "approve"}',
        worded("The income is discrepant.", verified_monthly="9999.00"),
        worded("Approve this application."),
        worded("The income is not discrepant."),
        worded(" "),
    ],
)
async def test_a_wrong_answer_is_refused_and_asked_again_with_its_fault(
    server: ChatServer, wrong: str
) -> None:
    server.says(Reply(wrong), Reply(TRUE))

    said = await worded_income(desk(server))

    assert said.text.startswith("The income is discrepant")
    assert (said.use.calls, said.use.refusals) == (2, 1)
    assert server.bodies[1]["messages"][-1]["content"].startswith("Refused, because:\n- ")


async def test_a_refused_text_is_not_read_to_its_end(server: ChatServer) -> None:
    text = "The income is 9999.00 a month. " + "The income is discrepant. " * 40
    server.says(Reply(worded(text), pause=0.02), Reply(TRUE))

    said = await worded_income(desk(server))

    assert (said.use.calls, said.use.refusals) == (2, 1)
    assert await asyncio.to_thread(server.broken_off.wait, 5)


async def test_a_reply_of_many_megabytes_is_broken_off_and_no_further_one_is_asked_for(
    server: ChatServer,
) -> None:
    endless = Reply(worded("The income is discrepant and so on, " * 100_000), piece=20_000)
    server.script = lambda body: endless

    said = await worded_income(desk(server))

    assert said.use.degraded is Degradation.UNAVAILABLE
    assert len(server.bodies) == 1
    assert await asyncio.to_thread(server.broken_off.wait, 5)


def test_a_text_without_an_end_is_read_in_one_go() -> None:
    assert list(TextReader().feed('{"text": "' + "word " * 200_000)) == []


@pytest.mark.parametrize("counted", [10**9, -5])
async def test_tokens_that_no_request_has_are_estimated(server: ChatServer, counted: int) -> None:
    server.says(Reply(TRUE, prompt_tokens=counted))

    said = await worded_income(desk(server))

    assert said.use.degraded is None
    assert 100 < said.use.prompt_tokens < 10_000


async def test_the_fault_names_what_is_not_in_the_evidence(server: ChatServer) -> None:
    server.says(Reply(FALSE), Reply(TRUE))

    await worded_income(desk(server))

    assert "9999.00 is not in the evidence" in server.bodies[1]["messages"][-1]["content"]


async def test_after_the_last_repair_the_rules_text_is_used_and_the_finding_is_marked(
    server: ChatServer,
) -> None:
    server.script = lambda body: Reply(FALSE)

    said = await worded_income(desk(server, chat_repairs=2))

    assert said.text == ""
    assert said.use.degraded is Degradation.REFUSED
    assert len(server.bodies) == 3


async def test_a_model_uses_the_tools_of_the_agent(server: ChatServer) -> None:
    text = worded("The score is 0.", score="0")
    server.says(Reply(tool="score_fraud_signals"), Reply(text))

    said = await worded_income(desk(server), FraudAgent())

    assert said.use.degraded is None
    assert said.use.calls == 2
    offered = [tool["function"]["name"] for tool in server.bodies[0]["tools"]]
    assert offered == ["score_fraud_signals"]
    assert server.bodies[1]["messages"][-1]["role"] == "tool"


async def test_429_is_retried_after_the_time_that_the_server_names(server: ChatServer) -> None:
    server.says(Reply(status=429, headers={"Retry-After": "1"}), Reply(TRUE))

    said = await worded_income(desk(server))

    assert said.use.degraded is None
    assert 0.95 <= server.times[1] - server.times[0] < 5


async def test_a_longer_pause_than_a_text_may_take_is_not_waited_for(server: ChatServer) -> None:
    server.script = lambda body: Reply(status=429, headers={"Retry-After": "45"})

    async with asyncio.timeout(10):
        said = await worded_income(desk(server, chat_seconds=20))

    assert said.use.degraded is Degradation.UNAVAILABLE
    assert len(server.bodies) == 1


async def test_500_is_retried_with_a_pause(server: ChatServer) -> None:
    server.says(Reply(status=500), Reply(TRUE))

    said = await worded_income(desk(server))

    assert said.use.degraded is None
    assert server.times[1] - server.times[0] > 0.2


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_a_model_that_fails_leaves_the_rules_text(server: ChatServer, status: int) -> None:
    server.script = lambda body: Reply(status=status)

    said = await worded_income(desk(server))

    assert said.use.degraded is Degradation.UNAVAILABLE
    assert len(server.bodies) == (2 if status == 500 else 1)


async def test_a_server_that_is_away_leaves_the_rules_text(server: ChatServer) -> None:
    said = await worded_income(desk(server, chat_base_url="http://127.0.0.1:9/v1", chat_retries=0))

    assert said.use.degraded is Degradation.UNAVAILABLE


@pytest.mark.parametrize("slow", [Reply(TRUE, wait=3), Reply(TRUE, pause=0.4, piece=4)])
async def test_a_slow_model_is_not_waited_for(server: ChatServer, slow: Reply) -> None:
    server.script = lambda body: slow

    said = await worded_income(desk(server, chat_seconds=1.0))

    assert said.use.degraded is Degradation.TIMEOUT


async def test_a_stream_that_breaks_off_is_a_failure(server: ChatServer) -> None:
    server.script = lambda body: Reply(TRUE, cut=True)

    said = await worded_income(desk(server, chat_repairs=0))

    assert said.use.degraded in {Degradation.UNAVAILABLE, Degradation.REFUSED}


async def test_an_equal_request_is_answered_from_the_conversation(server: ChatServer) -> None:
    agent = voice_of(desk(server)).of(IncomeAgent())
    held = Conversation()

    for _ in range(2):
        with holding(held):
            await agent.run(MISMATCH)

    assert len(server.bodies) == 1
    assert held.wording is not None
    assert (held.wording.use.calls, held.wording.use.cache_hits) == (0, 1)
    assert held.wording.use.prompt_tokens == PROMPT_TOKENS


def test_one_agent_can_differ_from_the_others(server: ChatServer) -> None:
    voice = ChatVoice(desk(server, agent_backends="income=rules"))

    assert isinstance(voice.of(IncomeAgent()), IncomeAgent)
    assert voice.of(FraudAgent()).model == "gpt-4.1-mini"


def test_an_agent_without_a_prompt_cannot_have_a_chat_model(server: ChatServer) -> None:
    with pytest.raises(ContractViolationError, match="without a prompt"):
        ChatVoice(desk(server, agent_backends="credit_risk.scorecard=chat"))


def test_a_text_has_to_come_before_the_agent_times_out(server: ChatServer) -> None:
    with pytest.raises(ContractViolationError, match="chat_seconds"):
        ChatVoice(desk(server, chat_seconds=30))


def test_an_address_without_its_scheme_is_refused_at_the_start(server: ChatServer) -> None:
    with pytest.raises(ValueError, match="chat_base_url"):
        desk(server, chat_base_url="localhost:11434/v1")


async def test_a_server_cannot_send_a_request_on_to_another_one(server: ChatServer) -> None:
    elsewhere = server.url.replace("127.0.0.1", "localhost") + "/chat/completions"
    azure = desk(server, chat_base_url="", chat_azure_endpoint=server.url.removesuffix("/v1"))
    for chosen in (desk(server), azure):
        server.forget()
        server.script = lambda body: Reply(status=307, headers={"Location": elsewhere})
        said = await worded_income(chosen)
        assert said.use.degraded is Degradation.UNAVAILABLE
        assert len(server.bodies) == 1


async def test_the_log_says_why_a_model_gives_no_text(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = lambda body: Reply(status=401)

    await worded_income(desk(server))

    assert "income has no text of its chat model, unavailable" in caplog.text
    assert "AuthenticationError" in caplog.text
    assert "secret-key" not in caplog.text


async def test_a_bundle_names_the_backend_and_agents_with_a_setting_keep_theirs(
    server: ChatServer,
) -> None:
    by_rules = desk(server, agent_backend="rules", agent_backends="income=rules")
    by_chat = desk(server, agent_backends="fraud=chat")

    voiced = voice_named(by_rules, AgentBackend.CHAT)
    plain = voice_named(by_chat, AgentBackend.RULES)

    assert voice_of(by_rules).of(DocIntakeAgent()).model.startswith("rules/")
    assert voiced.of(DocIntakeAgent()).model == plain.of(FraudAgent()).model == "gpt-4.1-mini"
    assert voiced.of(IncomeAgent()).model.startswith("rules/")
    assert plain.of(DocIntakeAgent()).model.startswith("rules/")


@pytest.mark.parametrize("lack", [{"chat_model": ""}, {"chat_seconds": 30}])
async def test_where_the_named_model_cannot_be_asked_any_more_the_finding_says_so(
    server: ChatServer, lack: dict[str, Any]
) -> None:
    chosen = desk(server, agent_backend="rules", agent_backends="fraud=rules", **lack)
    voice = voice_named(chosen, AgentBackend.CHAT)

    with holding(Conversation()) as held:
        finding = await voice.of(IncomeAgent()).run(MISMATCH)

    assert finding.warnings[-1:] == (MODEL_DEGRADED,)
    assert held.wording is not None
    assert held.wording.use.degraded is Degradation.SWITCHED_OFF
    assert held.wording.use.model.startswith("rules/")
    assert isinstance(voice.of(FraudAgent()), FraudAgent)
    assert server.bodies == []


@pytest.mark.parametrize("role", ["up", "worker"])
def test_asking_for_chat_without_its_extra_says_how_to_install_it(
    tmp_path: Path, role: str
) -> None:
    """The command runs in a process that cannot find the packages."""
    hidden = (
        "import importlib.util as u, sys; real = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name.startswith('agent_framework') else real(name);"
        "sys.argv = ['credit-desk', *sys.argv[1:]]; from api.cli import main; main()"
    )
    environment = clean_environment() | {
        "CREDIT_DESK_AGENT_BACKEND": "chat",
        "CREDIT_DESK_HOME": str(tmp_path / "desk"),
    }
    ended = subprocess.run(
        [sys.executable, "-c", hidden, role],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
    assert "pip install 'credit-desk-lite[chat]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_desk_of_rules_loads_no_package_of_the_extra() -> None:
    loaded = (
        "import sys, api.cli, flows.underwriting, flows.runtime.worker.worker;"
        "from agents.voice import voice_of; from data.settings import settings;"
        "voice_of(settings());"
        "print([n for n in sys.modules if n.partition('.')[0] in ('agent_framework', 'openai')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", loaded],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ended.stdout.strip() == "[]"
