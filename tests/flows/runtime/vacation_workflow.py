"""Leave requests: a tiny workflow for the tests of the kit, as far from lending as can be.

Two questions side by side, a manager if it is a long absence, a letter.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from prefect import flow
from pydantic import Field

from agents.base import Agent
from data.contracts.base import Contract
from data.contracts.errors import AnswerRejectedError, AuthorityError
from data.contracts.review import Answerer, Channel, ReviewRequest, Role
from flows.runtime.execution.ask import ask
from flows.runtime.execution.context import AgentPolicy, RunContext, current_run, in_run
from flows.runtime.execution.executor import InlineExecutor
from flows.runtime.execution.fan_out import fan_out
from flows.runtime.execution.gate_form import Answered, GateForm
from flows.runtime.execution.gatekeeper import Gatekeeper, PreparedAnswers
from flows.runtime.execution.open_run import open_run
from flows.runtime.execution.recorder import MemoryRecord, Record
from flows.runtime.execution.stage import stage
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tools.base import tool

LONG_DAYS = 5


class LeaveRequest(Contract):
    days: int


class Balance(Contract):
    days_left: int


class Cover(Contract):
    colleague: str


class Checked(Contract):
    days: int
    days_left: int
    colleague: str

    @property
    def is_long(self) -> bool:
        return self.days > LONG_DAYS


class Letter(Contract):
    granted: bool


class Leave(Contract):
    """The typed state of a leave request."""

    check: Checked | None = None
    note: str = ""
    letter: Letter | None = None


class Handbook(Contract):
    """What a leave request is decided by."""

    year: int = 2026


class ManagerRuling(GateForm):
    gate: ClassVar[str] = "manager"

    decision: Literal["grant", "refuse"] = Field(title="Decision")
    days: int | None = Field(default=None, ge=1, le=30, title="Days", description="Fewer days.")

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        if request.role not in by.roles:
            raise AuthorityError(f"this gate is answered by {request.role.value}")
        if self.days is not None and self.days > request.facts["days"]:
            raise AnswerRejectedError("not more than was asked for", field="days")


MANAGER = Answerer(reviewer="Mona", roles=(Role.OPERATOR,), channel=Channel.HTTP)


def is_long(state: Leave) -> bool:
    return bool(state.check and state.check.is_long)


def is_short(state: Leave) -> bool:
    return bool(state.check and not state.check.is_long)


LEAVE = Workflow(
    "leave-requests",
    "1",
    (
        Node("start", Kind.START, gives=LeaveRequest),
        Node("check", Kind.FAN_OUT, "check", takes=(LeaveRequest,), checkpoint="checked"),
        Node("balance", Kind.AGENT, "check", 30, (LeaveRequest,), Balance, ("balance",)),
        Node("cover", Kind.AGENT, "check", 30, (LeaveRequest,), Cover, ("cover",)),
        Node("checked", Kind.FAN_IN, "check", gives=Checked),
        Node("manager", Kind.HITL, "approval", 20, (Checked,)),
        Node("letter", Kind.AGENT, "letter", 20, (Checked,), Letter, checkpoint="sent"),
        Node("end", Kind.END),
    ),
    (
        Edge("start", "check"),
        Edge("check", "balance"),
        Edge("check", "cover"),
        Edge("balance", "checked"),
        Edge("cover", "checked"),
        Edge("checked", "manager", is_long),
        Edge("checked", "letter", is_short),
        Edge("manager", "letter"),
        Edge("letter", "end"),
    ),
)


@tool()
def count_days(request: LeaveRequest) -> int:
    return 30 - request.days


class BalanceAgent(Agent[LeaveRequest, Balance]):
    name = "balance"

    async def answer(self, question: LeaveRequest) -> Balance:
        return Balance(days_left=count_days(question))


class CoverAgent(Agent[LeaveRequest, Cover]):
    name = "cover"

    async def answer(self, question: LeaveRequest) -> Cover:
        return Cover(colleague="Max")


class LetterAgent(Agent[Checked, Letter]):
    name = "letter"

    async def answer(self, question: Checked) -> Letter:
        return Letter(granted=question.days <= question.days_left)


@stage("check")
async def check(request: LeaveRequest) -> Checked:
    answers = await fan_out(balance=ask(BalanceAgent(), request), cover=ask(CoverAgent(), request))
    return Checked(
        days=request.days,
        days_left=answers.require("balance", Balance).days_left,
        colleague=answers.require("cover", Cover).colleague,
    )


@stage("letter")
async def write_letter(checked: Checked) -> Letter:
    letter = await ask(LetterAgent(), checked)
    await current_run().record.decide(letter)
    return letter


async def decide(request: LeaveRequest) -> Letter | None:
    """The whole story; a refusal by the manager is a letter too."""
    checked = await check(request)
    if checked.is_long:
        ruling = await current_run().request_hitl(
            "manager",
            ManagerRuling,
            ReviewRequest(
                role=Role.OPERATOR,
                title="A long absence",
                summary=f"{checked.days} days",
                facts={"days": checked.days},
                prefill={"days": checked.days},
            ),
        )
        if ruling.form.decision == "refuse":
            checked = checked.model_copy(update={"days_left": 0})
    return await write_letter(checked)


@flow(name="leave-requests", flow_run_name="leave {application_id}", persist_result=False)
async def take_leave(application_id: str, run_id: str = "") -> Any:
    """One leave request, from the letterbox to the letter."""
    async with open_run(LEAVE, Leave(), application_id, pin=Handbook(), run_id=run_id) as run:
        await decide(LeaveRequest.model_validate_json(run.filed.body))
    return run.conclusion


# -- for tests that look at one part of the kit only --------------------------------------------


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
