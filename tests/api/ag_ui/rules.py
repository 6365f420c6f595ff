"""The rules of AG-UI for a producer, as checks of one stream. Each has the name of its rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ag_ui.core import Event
from pydantic import TypeAdapter

Frame = dict[str, Any]
Check = Callable[[list[Frame]], None]

_TERMINAL = {"RUN_FINISHED", "RUN_ERROR"}
_ANY: TypeAdapter[Any] = TypeAdapter(Event)


def every_event_fits_its_model(frames: list[Frame]) -> None:
    for frame in frames:
        event = _ANY.validate_python(frame)
        assert not event.model_extra, frame


def a_stream_opens_with_its_run(frames: list[Frame]) -> None:
    assert frames[0]["type"] == "RUN_STARTED"
    assert frames[0]["protocolVersion"].startswith("1.")
    assert [frame["type"] for frame in frames].count("RUN_STARTED") == 1


def a_run_is_closed_once_and_nothing_follows(frames: list[Frame]) -> None:
    assert [place for place, frame in enumerate(frames) if frame["type"] in _TERMINAL] == [
        len(frames) - 1
    ]


def the_boundaries_name_the_thread_and_the_run_of_the_input(frames: list[Frame]) -> None:
    for frame in frames:
        if frame["type"] in {"RUN_STARTED", "RUN_FINISHED"}:
            assert (frame["threadId"], frame["runId"]) == (
                frames[0]["threadId"],
                frames[0]["runId"],
            )


def steps_are_opened_once_and_closed_before_the_end(frames: list[Frame]) -> None:
    _balanced(frames, "STEP_STARTED", "STEP_FINISHED", "stepName")


def messages_are_opened_filled_and_closed(frames: list[Frame]) -> None:
    _balanced(
        frames,
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_END",
        "messageId",
        while_open={"TEXT_MESSAGE_CONTENT"},
    )


def tool_calls_are_opened_filled_closed_and_answered(frames: list[Frame]) -> None:
    _balanced(
        frames, "TOOL_CALL_START", "TOOL_CALL_END", "toolCallId", while_open={"TOOL_CALL_ARGS"}
    )
    started = [frame["toolCallId"] for frame in frames if frame["type"] == "TOOL_CALL_START"]
    answered = [frame["toolCallId"] for frame in frames if frame["type"] == "TOOL_CALL_RESULT"]
    assert started == answered


def every_delta_applies_to_the_state_before_it(frames: list[Frame]) -> None:
    assert frames[1]["type"] == "STATE_SNAPSHOT"
    state = json.loads(json.dumps(frames[1]["snapshot"]))
    for frame in frames[2:]:
        assert frame["type"] != "STATE_SNAPSHOT"
        for operation in frame.get("delta", ()) if frame["type"] == "STATE_DELTA" else ():
            *parents, name = operation["path"].split("/")[1:]
            at = state
            for parent in parents:
                at = at[parent]
            assert operation["op"] == "add" or name in at
            at[name] = operation["value"]


def message_ids_are_unique(frames: list[Frame]) -> None:
    minted = [
        frame["messageId"]
        for frame in frames
        if frame["type"] in {"TEXT_MESSAGE_START", "TOOL_CALL_RESULT"}
    ]
    assert len(minted) == len(set(minted))


def an_interrupt_names_what_it_waits_for(frames: list[Frame]) -> None:
    outcome = frames[-1].get("outcome") or {}
    if outcome.get("type") == "interrupt":
        interrupts = outcome["interrupts"]
        assert interrupts
        assert len({interrupt["id"] for interrupt in interrupts}) == len(interrupts)
        assert all(interrupt["reason"] for interrupt in interrupts)


RULES: tuple[Check, ...] = (
    every_event_fits_its_model,
    a_stream_opens_with_its_run,
    a_run_is_closed_once_and_nothing_follows,
    the_boundaries_name_the_thread_and_the_run_of_the_input,
    steps_are_opened_once_and_closed_before_the_end,
    messages_are_opened_filled_and_closed,
    tool_calls_are_opened_filled_closed_and_answered,
    every_delta_applies_to_the_state_before_it,
    message_ids_are_unique,
    an_interrupt_names_what_it_waits_for,
)


def _balanced(
    frames: list[Frame],
    opens: str,
    closes: str,
    name: str,
    while_open: frozenset[str] | set[str] = frozenset(),
) -> None:
    opened: set[str] = set()
    for frame in _named(frames, name):
        if frame["type"] == opens:
            assert frame[name] not in opened
            opened.add(frame[name])
        elif frame["type"] == closes:
            opened.remove(frame[name])
        elif frame["type"] in while_open:
            assert frame[name] in opened
        if frame["type"] in _TERMINAL:
            assert not opened
    assert not opened


def _named(frames: list[Frame], name: str) -> Iterator[Frame]:
    return (frame for frame in frames if name in frame or frame["type"] in _TERMINAL)
