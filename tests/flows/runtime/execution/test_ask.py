"""One question: told, remembered, and never put a second time once it has an answer."""

from __future__ import annotations

import pytest

from data.contracts.errors import AgentTimeoutError, ContractViolationError
from data.contracts.events import EventType
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution.ask import Ask, ask
from flows.runtime.execution.context import AgentPolicy
from flows.runtime.execution.recorder import LedgerRecord, MemoryRecord
from flows.runtime.ledger import leases, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_run
from tests.flows.runtime.vacation_parts import Scripted, a_context, in_stage
from tests.flows.runtime.vacation_workflow import Balance, BalanceAgent, LeaveRequest

QUESTION = LeaveRequest(days=3)


async def execution(ledger: Ledger) -> LedgerRecord:
    """The record of the next execution of a run, under a new lease."""
    if await ledger.read(runs.find_by_origin, f"application:{RUN}") is None:
        await a_run(ledger)
    else:
        run = await ledger.read(runs.find, RUN)
        await ledger.write(leases.release_lease, RUN, run.lease_epoch)
    epoch = await ledger.write(leases.acquire_lease, RUN, "host:1:worker:now", 60)
    assert epoch is not None
    return LedgerRecord(ledger, CheckpointStore(), RUN, epoch)


async def test_a_question_is_told_with_the_tools_that_were_used() -> None:
    record = MemoryRecord()
    with in_stage(a_context(record=record)) as run:
        finding = await ask(BalanceAgent(), QUESTION)

    assert finding == Balance(days_left=27)
    assert [(draft.type, draft.message) for draft in record.drafts] == [
        (EventType.AGENT_STARTED, "Asked balance"),
        (EventType.TOOL_CALLED, "balance used count days"),
        (EventType.AGENT_COMPLETED, "balance answered"),
    ]
    used, answered = record.drafts[1].meta, record.drafts[2].meta
    assert (used["tool"], used["outcome"]) == ("count_days", "ok")
    assert (answered["attempts"], answered["cache_hit"], answered["status"]) == (1, False, "ok")
    assert answered["model"] == "rules/1.0.0"
    (said,) = run.memory
    assert (said.n, said.stage, said.author, said.text) == (1, "check", "balance", "days left 27")


async def test_a_question_that_has_its_answer_is_not_put_again(ledger: Ledger) -> None:
    agent = Scripted("once")
    for _ in range(3):
        with in_stage(a_context(record=await execution(ledger))):
            assert await ask(agent, QUESTION) == Balance(days_left=3)

    assert agent.asked == 1


async def test_another_question_is_another_matter(ledger: Ledger) -> None:
    agent = Scripted("twice")
    for days in (3, 4):
        with in_stage(a_context(record=await execution(ledger))):
            assert await ask(agent, LeaveRequest(days=days)) == Balance(days_left=days)

    assert agent.asked == 2


async def test_another_visit_asks_anew(ledger: Ledger) -> None:
    agent = Scripted("again")
    for visit in (1, 2):
        run = a_context(record=await execution(ledger))
        for _ in range(visit - 1):
            run.count_visit("check")
        with in_stage(run):
            await ask(agent, QUESTION)

    assert agent.asked == 2


async def test_a_failure_is_not_kept(ledger: Ledger) -> None:
    agent = Scripted("recovers", lambda attempt: 10.0 if attempt == 1 else 0.0)
    hasty = AgentPolicy(timeout_seconds=0.05, retries=0)
    first = a_context(record=await execution(ledger), agent_policy=hasty)
    with in_stage(first), pytest.raises(AgentTimeoutError) as caught:
        await ask(agent, QUESTION)
    assert caught.value.agent == "recovers"

    with in_stage(a_context(record=await execution(ledger), agent_policy=hasty)):
        assert await ask(agent, QUESTION) == Balance(days_left=3)


async def test_a_kept_answer_says_so_and_leaves_the_journal_as_it_was(ledger: Ledger) -> None:
    for _ in range(2):
        with in_stage(a_context(record=await execution(ledger))) as run:
            await ask(BalanceAgent(), QUESTION)

    assert (await ledger.read(runs.find, RUN)).last_event_id == 3
    assert [message.text for message in run.memory] == ["days left 27"]


async def test_a_question_of_the_wrong_kind_is_refused_by_the_agent() -> None:
    with in_stage(a_context()), pytest.raises(ContractViolationError, match="not a LeaveRequest"):
        await Ask(BalanceAgent(), Balance(days_left=1))
