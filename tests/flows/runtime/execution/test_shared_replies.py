"""An equal request of another run is answered from the ledger: nothing is asked, nothing paid."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from agents.base import Agent
from agents.conversation import holding
from agents.income import IncomeAgent
from agents.voice import ChatVoice, voice_of
from agents.worded import WordedAgent
from data.contracts.personal import PersonalRecord, PersonName
from data.contracts.wording import ModelUse
from data.settings import Settings
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution.conversation import RunConversation
from flows.runtime.execution.model_budget import Spending
from flows.runtime.execution.recorder import LedgerRecord
from flows.runtime.ledger import model_answers
from flows.runtime.ledger.database import Ledger
from tests.agents.test_worded import FALSE, MISMATCH, TRUE, desk
from tests.chat_server import ChatServer, Reply, worded
from tests.flows.runtime.vacation_workflow import Balance


async def silent(text: str, attempt: int, number: int) -> None:
    """No reader follows these runs."""


async def use_in(
    ledger: Ledger,
    run_id: str,
    agent: Agent[Any, Any],
    question: Any = MISMATCH,
    *,
    days: int = 30,
    epoch: int = 1,
    spending: Spending | None = None,
) -> ModelUse:
    """What an agent's text has used in one execution of a run."""
    record = LedgerRecord(ledger, CheckpointStore(), run_id, epoch, reply_days=days)
    place = f"check/1/{agent.label}"
    held = RunConversation(record, spending or Spending(), "check", place, silent)
    with holding(held):
        await agent.run(question)
    assert held.wording is not None
    return held.wording.use


def income(server: ChatServer, **more: Any) -> Agent[Any, Any]:
    return voice_of(desk(server, **more)).of(IncomeAgent())


async def test_another_run_gets_the_accepted_answer_and_uses_no_token(
    server: ChatServer, ledger: Ledger
) -> None:
    server.script = lambda body: Reply(TRUE)
    agent = income(server)
    first = await use_in(ledger, "run-1", agent)

    second = await use_in(ledger, "run-2", agent)

    assert len(server.bodies) == 1
    assert (first.calls, first.cache_hits, first.tokens) == (1, 0, 150)
    assert (second.calls, second.cache_hits, second.tokens) == (0, 1, 0)
    assert second.cost_usd == 0
    assert second.degraded is None


async def test_an_execution_that_goes_on_has_the_answer_when_no_other_run_has_it_any_more(
    server: ChatServer, ledger: Ledger
) -> None:
    server.script = lambda body: Reply(TRUE)
    agent = income(server)
    await use_in(ledger, "run-1", agent)
    await use_in(ledger, "run-2", agent)
    await ledger.write(model_answers.purge, 0)

    again = await use_in(ledger, "run-2", agent, epoch=2)

    assert (len(server.bodies), again.cache_hits, again.tokens) == (1, 1, 0)


async def test_a_call_in_which_an_execution_died_counts_in_the_budget_of_the_next(
    server: ChatServer, ledger: Ledger
) -> None:
    sent = threading.Event()

    def hangs(body: dict[str, Any]) -> Reply:
        sent.set()
        return Reply(TRUE, wait=30)

    server.script = hangs
    agent, spent = income(server), Spending()
    dying = asyncio.create_task(use_in(ledger, "run-1", agent))
    assert await asyncio.to_thread(sent.wait, 10)
    dying.cancel()
    await asyncio.wait([dying])
    server.script = lambda body: Reply(TRUE)

    use = await use_in(ledger, "run-1", agent, epoch=2, spending=spent)

    assert (use.calls, use.tokens) == (1, 150)
    assert spent.tokens > 150 + Settings().chat_max_tokens, "the most that the lost call can use"


@pytest.mark.parametrize(
    ("other", "days"),
    [
        ({"chat_model": "gpt-4.1"}, 30),
        ({}, 0),
    ],
)
async def test_another_model_and_a_desk_without_the_cache_ask_again(
    server: ChatServer, ledger: Ledger, other: dict[str, Any], days: int
) -> None:
    server.script = lambda body: Reply(TRUE)
    await use_in(ledger, "run-1", income(server))

    asked = await use_in(ledger, "run-2", income(server, **other), days=days)

    assert (len(server.bodies), asked.calls) == (2, 1)


async def test_an_answer_that_was_refused_serves_no_other_run(
    server: ChatServer, ledger: Ledger
) -> None:
    agent = income(server, chat_repairs=0)
    server.says(Reply(FALSE), Reply(TRUE))
    refused = await use_in(ledger, "run-1", agent)

    asked = await use_in(ledger, "run-2", agent)

    assert refused.degraded is not None
    assert (asked.calls, asked.cache_hits, asked.degraded) == (1, 0, None)


class Named(PersonalRecord):
    """A question that the desk does not know how to mask."""

    name: PersonName


class NamedAgent(Agent[Named, Balance]):
    name = "income"

    async def answer(self, question: Named) -> Balance:
        return Balance(days_left=3)


async def test_an_answer_to_a_question_with_unmasked_personal_data_serves_no_other_run(
    server: ChatServer, ledger: Ledger
) -> None:
    server.script = lambda body: Reply(worded("The days left is 3.", days_left="3"))
    settings = desk(server)
    voice = ChatVoice(settings)
    agent = WordedAgent(NamedAgent(), voice._model, voice.prompts)

    for run_id in ("run-1", "run-2"):
        assert (await use_in(ledger, run_id, agent, Named(name="Ada"))).calls == 1
