"""Every gate by every channel, answered after server, worker and API were killed meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import product

import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.review import Channel
from data.contracts.runs import RunStatus
from data.settings import Settings
from tests.browser.approver import Approver
from tests.command_line import answered_from_the_command_line
from tests.desk import Desk, StartedRun
from tests.documents import file_later_documents
from tools.case_files import load_persona

pytestmark = pytest.mark.timeout(400)  # a dozen runs, and a desk that starts again
REVIEWER = "second-person"


@dataclass(frozen=True)
class Answer:
    """The answer at a gate that grants the loan."""

    persona: str
    decision: str
    asks_for: str
    """The title of the decision in the form."""
    reason_code: str = ""
    documents: tuple[str, ...] = ()


ANSWERS = {
    "documents": Answer("max-missing", "supplied", "What happened", documents=("w2-primary",)),
    "compliance": Answer("pat-potential", "clear", "Finding"),
    "underwriter": Answer("bora-borderline", "approve", "Decision"),
    "second_approval": Answer(
        "uma-override", "approve", "Decision", reason_code="compensating_income"
    ),
}
CHANNELS = (Channel.HTTP, Channel.CLI, Channel.PREFECT_UI)
PLACES = list(product(ANSWERS, CHANNELS))
SLOW = {("documents", Channel.PREFECT_UI), ("underwriter", Channel.PREFECT_UI)}
"""Forms that `test_gates` fills in as well, on a desk without kills."""


@pytest.fixture(scope="module")
async def waiting(desk: Desk, soak: bool) -> dict[tuple[str, Channel], StartedRun]:
    """A run at each gate for each channel; everything was killed while they waited."""
    wanted = PLACES if soak else [place for place in PLACES if place not in SLOW]
    runs = await asyncio.gather(*(_at_gate(desk, gate) for gate, _ in wanted))
    await desk.kill("server", "worker", "api")
    return dict(zip(wanted, runs, strict=True))


async def _at_gate(desk: Desk, gate: str) -> StartedRun:
    run = await desk.start(ANSWERS[gate].persona)
    await run.until(EventType.WAITING, seconds=120)
    if gate == "second_approval":
        first = {"decision": "approve", "reason_code": ANSWERS[gate].reason_code}
        assert (await run.answer(**first)).status_code == 202
        await run.until(EventType.WAITING, seconds=120)
    if gate == "documents":
        await file_later_documents(run, load_persona(Settings().data_dir, ANSWERS[gate].persona))
    await run.until(RunStatus.WAITING)
    return run


@pytest.mark.parametrize(
    ("gate", "channel"),
    [pytest.param(*place, marks=pytest.mark.soak if place in SLOW else ()) for place in PLACES],
)
async def test_a_gate_is_answered_by_any_channel_after_everything_was_killed(
    waiting: dict[tuple[str, Channel], StartedRun],
    approver: Approver,
    gate: str,
    channel: Channel,
) -> None:
    run, answer = waiting[gate, channel], ANSWERS[gate]
    asked = (await run.summary()).waiting_for
    assert asked is not None
    assert asked.gate == gate

    if channel is Channel.HTTP:
        await _by_http(run, answer)
    elif channel is Channel.CLI:
        await _by_command(run, answer)
    else:
        await _by_form(run, answer, approver)

    events = await run.events()
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    resolved = [event for event in events if event.type is EventType.HITL_RESOLVED][-1]
    # This desk has no keys, so nothing proves that an answer came from the command line.
    came_by = Channel.HTTP if channel is Channel.CLI else channel
    assert (resolved.meta["gate"], resolved.meta["channel"]) == (gate, came_by)
    assert (resolved.meta["reviewer"], resolved.meta["decision"]) == (REVIEWER, answer.decision)
    assert (await run.decision()).outcome is Outcome.APPROVE


async def _by_http(run: StartedRun, answer: Answer) -> None:
    fields = {
        "decision": answer.decision,
        "reviewer": REVIEWER,
        **({"reason_code": answer.reason_code} if answer.reason_code else {}),
        **({"document_ids": answer.documents} if answer.documents else {}),
    }
    given = await run.answer(**fields)
    assert given.status_code == 202, given.text


async def _by_command(run: StartedRun, answer: Answer) -> None:
    arguments = ["--decision", answer.decision]
    if answer.reason_code:
        arguments += ["--reason-code", answer.reason_code]
    for document in answer.documents:
        arguments += ["--document", document]
    await answered_from_the_command_line(run, *arguments, reviewer=REVIEWER)


async def _by_form(run: StartedRun, answer: Answer, approver: Approver) -> None:
    await approver.open(run)
    await approver.choose(answer.asks_for, answer.decision)
    if answer.reason_code:
        await approver.write("Reason code (Optional)", answer.reason_code)
    for document in answer.documents:
        await approver.add("Documents", document)
    await approver.sign(REVIEWER, "seen and considered")
    await approver.submit()
    await approver.is_taken()
