"""A run's journal as AG-UI: whatever happened in the run, the stream keeps the protocol's rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ag_ui.translation import Asked, Leg, interrupt_id
from data.contracts.events import Event, EventStatus, EventType
from tests.api.ag_ui.rules import RULES, Check, Frame
from tests.api.desks import RUN_ID

_STAGES = ("doc_intake", "verification", "review")


def entry(number: int, kind: EventType, phase: str = "review", **meta: Any) -> Event:
    return Event(
        id=number,
        run_id=RUN_ID,
        ts=datetime(2026, 11, 2, tzinfo=UTC),
        type=kind,
        phase=phase,
        status=EventStatus.RUNNING,
        message=f"number {number}",
        progress=min(1.0, number / 100),
        step_progress=0.0,
        trace_id="0" * 32,
        span_id="0" * 16,
        meta=meta,
    )


def leg(after: int = 0, *known: str) -> Leg:
    return Leg("thread-1", "run-1", RUN_ID, "ada-prime", after, frozenset(known))


def translated(journal: list[Event], one: Leg, asked: Asked | None = None) -> list[Frame]:
    """The frames of a leg, as a client reads them."""
    frames: list[Frame] = []
    for event in journal:
        frames += [
            json.loads(told.model_dump_json(by_alias=True)) for told in one.translate(event, asked)
        ]
        if one.is_closed:
            break
    return frames


META: dict[EventType, dict[str, Any]] = {
    EventType.TOOL_CALLED: {"tool": "read_document", "outcome": "ok"},
    EventType.AGENT_COMPLETED: {"agent": "kyc"},
    EventType.STATE_UPDATED: {"changed": [{"op": "replace", "path": "/bureau", "value": {"a": 1}}]},
    EventType.WAITING: {"gate": "underwriter", "title": "Rule", "due_at": "2026-12-01T00:00:00Z"},
}
HAPPENED = st.tuples(
    st.sampled_from([kind for kind in EventType if kind is not EventType.RUN_COMPLETED]),
    st.sampled_from(_STAGES),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@given(happened=st.lists(HAPPENED, max_size=30))
def test_any_journal_keeps_the_rule(rule: Check, happened: list[tuple[EventType, str]]) -> None:
    journal = [
        entry(number, kind, phase, **META.get(kind, {}))
        for number, (kind, phase) in enumerate(happened, 1)
    ]
    journal.append(entry(len(journal) + 1, EventType.RUN_COMPLETED))

    rule(translated(journal, leg()))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_leg_that_begins_at_an_answer_keeps_the_rule_too(rule: Check) -> None:
    rule(translated(_answered(), leg(3)))


def test_a_gate_ends_the_run_with_its_form_and_its_time() -> None:
    asked = Asked({"type": "object"}, "2026-12-05T00:00:00+00:00")

    frames = translated(_answered(), leg(), asked)

    (interrupt,) = frames[-1]["outcome"]["interrupts"]
    assert interrupt == {
        "id": interrupt_id(RUN_ID, 3),
        "reason": "underwriter",
        "message": "Rule",
        "responseSchema": {"type": "object"},
        "expiresAt": "2026-12-05T00:00:00+00:00",
    }


def test_the_leg_after_an_answer_opens_the_stage_that_asked_and_knows_what_was_found() -> None:
    frames = translated(_answered(), leg(3))

    assert frames[1]["snapshot"]["known"] == {"bureau": {"a": 1}}
    assert frames[2] == {"type": "STEP_STARTED", "stepName": "review"}
    assert frames[-1]["outcome"] == {"type": "success"}


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        (EventType.RUN_COMPLETED, {"type": "success"}),
        (EventType.RUN_CANCELLED, {"type": "cancelled"}),
    ],
)
def test_an_end_is_told_as_what_it_is(kind: EventType, ending: dict[str, Any]) -> None:
    frames = translated([entry(1, EventType.RUN_STARTED), entry(2, kind)], leg())

    assert frames[-1]["outcome"] == ending


def test_a_failed_run_is_an_error_and_no_success() -> None:
    frames = translated([entry(1, EventType.RUN_FAILED, code="bureau_unavailable")], leg())

    assert frames[-1] == {
        "type": "RUN_ERROR",
        "message": "number 1",
        "code": "bureau_unavailable",
    }


def test_a_message_that_the_client_has_is_not_streamed_again() -> None:
    journal = [
        entry(1, EventType.AGENT_COMPLETED, agent="kyc"),
        entry(2, EventType.AGENT_COMPLETED, agent="fraud"),
        entry(3, EventType.RUN_COMPLETED),
    ]

    frames = translated(journal, leg(0, f"{RUN_ID}-1"))

    told = [frame["messageId"] for frame in frames if frame["type"] == "TEXT_MESSAGE_START"]
    assert told == [f"{RUN_ID}-2"]


def test_the_arguments_of_tools_stay_at_the_desk() -> None:
    journal = [
        entry(1, EventType.TOOL_CALLED, tool="read_document", outcome="ok", latency_ms=1),
        entry(2, EventType.RUN_COMPLETED),
    ]

    frames = translated(journal, leg())

    assert [frame["delta"] for frame in frames if frame["type"] == "TOOL_CALL_ARGS"] == ["{}"]


def _answered() -> list[Event]:
    """A run that asks in its review, is answered, and ends."""
    return [
        entry(1, EventType.STATE_UPDATED, **META[EventType.STATE_UPDATED]),
        entry(2, EventType.STAGE_STARTED, "review"),
        entry(3, EventType.WAITING, "review", **META[EventType.WAITING]),
        entry(4, EventType.HITL_RESOLVED, "review"),
        entry(5, EventType.STAGE_COMPLETED, "review"),
        entry(6, EventType.RUN_COMPLETED, "decision"),
    ]
