"""Parts of the leave workflow, for tests that look at one piece of the kit only."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from agents.base import Agent
from data.contracts.review import Answerer, Channel, Role
from flows.runtime.execution.context import AgentPolicy, RunContext, in_run
from flows.runtime.execution.executor import InlineExecutor
from flows.runtime.execution.gate_form import Answered
from flows.runtime.execution.gatekeeper import Gatekeeper, PreparedAnswers
from flows.runtime.execution.recorder import MemoryRecord, Record
from tests.flows.runtime.vacation_workflow import (
    LEAVE,
    Balance,
    Leave,
    LeaveRequest,
    ManagerRuling,
)

MANAGER = Answerer(reviewer="Mona", roles=(Role.OPERATOR,), channel=Channel.HTTP)


@dataclass
class Scripted(Agent[LeaveRequest, Balance]):
    """An agent that does what a test tells it to, and counts how often it was asked."""

    name = "scripted"

    called: str
    act: Callable[[int], Any] = lambda _: None
    """Told the number of the attempt; may raise, or return seconds, or something to wait for."""
    asked: int = 0
    log: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.called

    async def answer(self, question: LeaveRequest) -> Balance:
        self.asked += 1
        try:
            thought = self.act(self.asked)
            await (thought if inspect.isawaitable(thought) else asyncio.sleep(thought or 0))
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        self.log.append("answered")
        return Balance(days_left=question.days)


def a_context(
    *,
    record: Record | None = None,
    agent_policy: AgentPolicy | None = None,
    gatekeeper: Gatekeeper | None = None,
) -> RunContext[Leave]:
    """An inline run of the leave workflow that stands at its start."""
    run = RunContext(
        LEAVE,
        "run-1",
        Leave(),
        record=record or MemoryRecord(),
        executor=InlineExecutor(),
        gatekeeper=gatekeeper or PreparedAnswers(),
        agent_policy=agent_policy or AgentPolicy(backoff_seconds=0.001),
    )
    run.walk.enter("start", run.state)
    return run


@contextmanager
def in_stage(run: RunContext[Leave], stage_name: str = "check") -> Iterator[RunContext[Leave]]:
    """Inside a stage, without going through its decorator."""
    run.phase = stage_name
    run.count_visit(stage_name)
    with in_run(run):
        yield run


def granted(**fields: Any) -> dict[str, list[Answered[Any]]]:
    """Answers prepared for the manager's gate."""
    plain = {"decision": "grant", "reviewer": "Mona", "reason": "well deserved"}
    return {"manager": [Answered(ManagerRuling(**(plain | fields)), MANAGER)]}
