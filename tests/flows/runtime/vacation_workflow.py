"""Leave requests: a whole workflow on the kit, as far from lending as can be.

Two agents answer side by side, a manager rules on a long absence, a letter goes out. The guide in
ARCHITECTURE.md goes through it; the tests run it inline and on Prefect.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from prefect import flow
from pydantic import Field

from agents.base import Agent
from data.contracts.base import Contract
from data.contracts.errors import AnswerRejectedError
from data.contracts.review import Answerer, ReviewRequest, Role
from flows.runtime.execution.ask import ask
from flows.runtime.execution.context import current_run
from flows.runtime.execution.fan_out import fan_out
from flows.runtime.execution.gate_form import GateForm
from flows.runtime.execution.open_run import open_run
from flows.runtime.execution.stage import stage
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tools.base import tool

LONG_DAYS = 5

# -- the contracts: what goes in, what each stage gives, and the state that holds it --------------


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
    """The state of a run: a field for each stage that gives something, under the stage's name."""

    check: Checked | None = None
    note: str = ""
    letter: Letter | None = None


class Handbook(Contract):
    """What a request is decided by. A run pins it when it starts, whatever changes later."""

    year: int = 2026


# -- the map: a run may go these ways and no other, and the weights count its progress -----------


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
        *(Edge("check", agent) for agent in ("balance", "cover")),
        *(Edge(agent, "checked") for agent in ("balance", "cover")),
        Edge("checked", "manager", is_long),
        Edge("checked", "letter", is_short),
        Edge("manager", "letter"),
        Edge("letter", "end"),
    ),
)

# -- the agents and their tools: one question, one finding, no knowledge of runs ------------------


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


# -- the gate: the form that a person fills in, and the rules that an answer is held to -----------


class ManagerRuling(GateForm):
    gate: ClassVar[str] = "manager"

    decision: Literal["grant", "refuse"] = Field(title="Decision")
    days: int | None = Field(default=None, ge=1, le=30, title="Days", description="Fewer days.")

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        self.require_role(request, by.roles)
        if self.days is not None and self.days > request.facts["days"]:
            raise AnswerRejectedError("not more than was asked for", field="days")


# -- the stages, and the story that calls them ----------------------------------------------------


@stage("check")
async def check(request: LeaveRequest) -> Checked:
    found = await fan_out(balance=ask(BalanceAgent(), request), cover=ask(CoverAgent(), request))
    return Checked(
        days=request.days,
        days_left=found.require("balance", Balance).days_left,
        colleague=found.require("cover", Cover).colleague,
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
        asked = ReviewRequest(
            role=Role.OPERATOR,
            title="A long absence",
            summary=f"{checked.days} days",
            facts={"days": checked.days},
            prefill={"days": checked.days},
        )
        ruling = await current_run().request_hitl("manager", ManagerRuling, asked)
        if ruling.form.decision == "refuse":
            checked = checked.model_copy(update={"days_left": 0})
        elif ruling.form.days is not None:
            checked = checked.model_copy(update={"days": ruling.form.days})
    return await write_letter(checked)


@flow(name="leave-requests", flow_run_name="leave {application_id}", persist_result=False)
async def take_leave(application_id: str, run_id: str = "") -> Any:
    """One leave request, from the letterbox to the letter."""
    async with open_run(LEAVE, Leave(), application_id, pin=Handbook(), run_id=run_id) as run:
        await decide(LeaveRequest.model_validate_json(run.filed.body))
    return run.conclusion
