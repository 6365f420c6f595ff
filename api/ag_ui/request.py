"""What an AG-UI client asks for: a new case, a case that it follows, or an answer at a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ag_ui.core import RunAgentInput
from pydantic import ValidationError

from api.ag_ui.translation import Leg
from api.problems import NotAllowedError
from data.contracts.errors import (
    ContractViolationError,
    Problem,
    StaleRequestError,
)
from data.contracts.events import Event, EventType
from data.contracts.review import Role
from flows.runtime.ledger import journal
from flows.service.desk import DeskService
from flows.service.requests import Answer, Caller, StartRun

_WHOLE = 100_000
"""More entries than a journal has."""


@dataclass(frozen=True)
class Resumed:
    """An answer to a gate's question."""

    desk_run_id: str
    event_id: int
    is_answered: bool
    """False when the client gives the question up: the case then stays in the inbox."""
    payload: dict[str, Any]


def read_input(body: dict[str, Any]) -> RunAgentInput:
    """The input of a client. Members that the protocol does not know are left aside.

    Raises ContractViolationError with the field at fault.
    """
    try:
        return RunAgentInput.model_validate(body)
    except ValidationError as error:
        raise ContractViolationError.of("AG-UI input", error) from None


async def begin(asked: RunAgentInput, desk: DeskService, caller: Caller) -> tuple[Leg, bool]:
    """The leg that an input asks for, and whether the client gave the question up.

    An answer is checked by the gate's own validator and counts once: the same AG-UI run again finds
    it given. Raises ContractViolationError with the field at fault, StaleRequestError for a
    question that is asked no more, and as `DeskService.answer` and `submit` do.
    """
    if asked.resume:
        return await _resumed(asked, desk, caller)
    given = asked.forwarded_props if isinstance(asked.forwarded_props, dict) else {}
    state = asked.state if isinstance(asked.state, dict) else {}
    if not given and isinstance(state.get("run_id"), str):
        run = await desk.run(state["run_id"])
    elif Role.INTAKE not in caller.roles:
        raise NotAllowedError("this takes another role: intake submits applications")
    else:
        run, _ = await desk.submit(_start(given), caller)
    return _leg(asked, run.run_id, run.application_id), False


async def _resumed(asked: RunAgentInput, desk: DeskService, caller: Caller) -> tuple[Leg, bool]:
    resumed = _answer_of(asked)
    run = await desk.run(resumed.desk_run_id)
    question = await desk.ledger.read(_question, run.run_id, resumed.event_id)
    leg = _leg(asked, run.run_id, run.application_id, resumed.event_id)
    if not resumed.is_answered:
        return leg, True
    fields = {"gate": question.meta["gate"], **resumed.payload}
    try:
        answer = Answer.model_validate(fields)
    except ValidationError as error:
        raise ContractViolationError.of("resume", error) from None
    await desk.answer(run.run_id, answer, caller, idempotency_key=f"ag-ui:{asked.run_id}"[:128])
    return leg, False


def _question(connection: Any, run_id: str, event_id: int) -> Event:
    """The entry of the journal that asks. Raises StaleRequestError when the run asks otherwise."""
    found = [
        Event.model_validate_json(body) for body in journal.read(connection, run_id, limit=_WHOLE)
    ]
    questions = [event for event in found if event.type is EventType.WAITING]
    asked = next((event for event in questions if event.id == event_id), None)
    if asked is None:
        raise _unfit("/resume/0/interruptId", "this run has not asked under this id")
    if questions[-1].id != event_id:
        raise StaleRequestError("the run asks something else by now: read its last interrupt")
    return asked


def _answer_of(asked: RunAgentInput) -> Resumed:
    entries = asked.resume or []
    if len(entries) != 1:
        raise _unfit("/resume", "a run of the desk asks one question at a time: answer that one")
    entry = entries[0]
    run_id, _, event_id = entry.interrupt_id.partition(":")
    if not event_id.isdecimal() or len(event_id) > 15:
        raise _unfit("/resume/0/interruptId", "this is no interrupt of this desk")
    payload = entry.payload if isinstance(entry.payload, dict) else {}
    return Resumed(run_id, int(event_id), entry.status == "resolved", payload)


def _start(given: dict[str, Any]) -> StartRun:
    if not given:
        raise _unfit(
            "/forwardedProps", 'name the case, for example {"application_id": "ada-prime"}'
        )
    try:
        return StartRun.model_validate(given)
    except ValidationError as error:
        raise ContractViolationError.of("forwardedProps", error) from None


def _leg(asked: RunAgentInput, run_id: str, application_id: str, after: int = 0) -> Leg:
    return Leg(
        thread_id=asked.thread_id,
        run_id=asked.run_id,
        desk_run_id=run_id,
        application_id=application_id,
        begins_after=after,
        known_messages=frozenset(message.id for message in asked.messages),
    )


def _unfit(pointer: str, message: str) -> ContractViolationError:
    return ContractViolationError(message, (Problem(pointer, "unfit", message),))
