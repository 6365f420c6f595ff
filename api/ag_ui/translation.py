"""The journal of a run in the events of AG-UI: one leg of it, from a start or an answer to a gate
or the end.

AG-UI has no way to ask inside a run. So a run of AG-UI ends at a gate, with an interrupt that names
what is asked, and the answer begins the next one. The same journal gives the same frames with the
same ids, however often it is read: a client that comes back goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    CustomEvent,
    Interrupt,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateDeltaEvent,
    StateSnapshotEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

from data.contracts.events import Event, EventType

_TOLD = frozenset(
    {
        *(EventType.CHECKPOINT_SAVED, EventType.CHECKPOINT_MISSING),
        *(EventType.STAGE_SKIPPED, EventType.STAGE_TAKEN_OVER),
        *(EventType.HITL_RESOLVED, EventType.HITL_REJECTED, EventType.HITL_REMINDED),
        *(EventType.HITL_ESCALATED, EventType.ERROR, EventType.RUN_RESUMED),
        *(EventType.HITL_SNOOZED, EventType.HITL_WOKEN, EventType.NOTE_ADDED),
    }
)
"""Steps that AG-UI has no word for. They travel as custom events under their own names."""


@dataclass(frozen=True)
class Asked:
    """What a gate asks, as far as the desk still knows it."""

    schema: dict[str, Any] | None = None
    expires_at: str | None = None


@dataclass
class Leg:
    """One run of AG-UI over a part of a run's journal."""

    thread_id: str
    run_id: str
    """The id of the AG-UI run, which the client has chosen."""
    desk_run_id: str
    application_id: str
    begins_after: int = 0
    """The journal's id of the request that the leg answers; 0 for the leg from the start."""
    known_messages: frozenset[str] = frozenset()
    """Ids of messages that the client has: they are not streamed a second time."""
    is_closed: bool = False
    _is_open: bool = False
    _steps: dict[str, None] = field(default_factory=dict)  # in the order in which they were opened
    _state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._state = {
            "run_id": self.desk_run_id,
            "application_id": self.application_id,
            "phase": "",
            "progress": 0.0,
            "known": {},
        }

    def translate(self, event: Event, asked: Asked | None = None) -> list[BaseEvent]:
        """The events of AG-UI for the next entry of the journal.

        Entries before the leg are only noted. `asked` belongs to an entry of type `waiting`.
        """
        if event.id <= self.begins_after:
            self._note(event)
            return []
        opening = [] if self._is_open else list(self._opening())
        self._is_open = True
        return [*opening, *self._told(event, asked or Asked())]

    def _note(self, event: Event) -> None:
        for _ in self._told(event, Asked()):
            pass
        self.is_closed = False

    def _opening(self) -> Iterator[BaseEvent]:
        yield RunStartedEvent(
            thread_id=self.thread_id, run_id=self.run_id, protocol_version=PROTOCOL_VERSION
        )
        yield StateSnapshotEvent(snapshot=self._state | {"known": dict(self._state["known"])})
        for name in self._steps:  # stages that were under way when the gate asked
            yield StepStartedEvent(step_name=name)

    def _told(self, event: Event, asked: Asked) -> Iterator[BaseEvent]:
        match event.type:
            case EventType.STAGE_STARTED if event.phase not in self._steps:
                self._steps[event.phase] = None
                yield StepStartedEvent(step_name=event.phase)
            case EventType.STAGE_COMPLETED if event.phase in self._steps:
                del self._steps[event.phase]
                yield StepFinishedEvent(step_name=event.phase)
            case EventType.AGENT_COMPLETED:
                yield from self._message(event)
            case EventType.TOOL_CALLED:
                yield from self._tool_call(event)
            case EventType.STATE_UPDATED:
                yield from self._learnt(event)
            case EventType.WAITING:
                yield from self._finish(_interrupt(event, asked), keeps_steps=True)
            case EventType.RUN_COMPLETED:
                yield from self._finish(RunFinishedSuccessOutcome())
            case EventType.RUN_CANCELLED:
                yield from self._finish(RunFinishedCancelledOutcome())
            case EventType.RUN_FAILED:
                yield from self._close_steps()
                self.is_closed = True
                yield RunErrorEvent(message=event.message, code=event.meta.get("code"))
            case kind if kind in _TOLD:
                yield CustomEvent(name=kind.value, value={"message": event.message, **event.meta})
        yield from self._moved(event)

    def _moved(self, event: Event) -> Iterator[BaseEvent]:
        """The phase and the progress, when an entry has changed them."""
        changed = {
            name: value
            for name, value in (("phase", event.phase), ("progress", event.progress))
            if self._state[name] != value
        }
        self._state |= changed
        if changed and not self.is_closed:
            yield _delta("replace", {f"/{name}": value for name, value in changed.items()})

    def _learnt(self, event: Event) -> Iterator[BaseEvent]:
        """What a stage has found, in the short form in which the journal tells it."""
        found = {
            change["path"].split("/")[1]: change.get("value")
            for change in event.meta.get("changed", ())
            if change["path"].count("/") == 1
        }
        self._state["known"] |= found
        if found:
            yield _delta("add", {f"/known/{name}": value for name, value in found.items()})

    def _message(self, event: Event) -> Iterator[BaseEvent]:
        message_id = f"{self.desk_run_id}-{event.id}"
        if message_id in self.known_messages:
            return
        yield TextMessageStartEvent(
            message_id=message_id, role="assistant", name=event.meta.get("agent")
        )
        yield TextMessageContentEvent(message_id=message_id, delta=event.message)
        yield TextMessageEndEvent(message_id=message_id)

    def _tool_call(self, event: Event) -> Iterator[BaseEvent]:
        """A call that the agent has made itself. Its arguments are case data and stay here."""
        call_id = f"{self.desk_run_id}-{event.id}"
        if f"{call_id}-result" in self.known_messages:
            return
        yield ToolCallStartEvent(tool_call_id=call_id, tool_call_name=event.meta["tool"])
        yield ToolCallArgsEvent(tool_call_id=call_id, delta="{}")
        yield ToolCallEndEvent(tool_call_id=call_id)
        yield ToolCallResultEvent(
            message_id=f"{call_id}-result",
            tool_call_id=call_id,
            content=str(event.meta.get("outcome", "ok")),
        )

    def _close_steps(self, *, keeps_steps: bool = False) -> Iterator[BaseEvent]:
        for name in self._steps:
            yield StepFinishedEvent(step_name=name)
        if not keeps_steps:
            self._steps.clear()

    def _finish(
        self,
        outcome: RunFinishedSuccessOutcome
        | RunFinishedInterruptOutcome
        | RunFinishedCancelledOutcome,
        *,
        keeps_steps: bool = False,
    ) -> Iterator[BaseEvent]:
        yield from self._close_steps(keeps_steps=keeps_steps)
        self.is_closed = True
        yield RunFinishedEvent(thread_id=self.thread_id, run_id=self.run_id, outcome=outcome)


def _delta(operation: str, values: dict[str, Any]) -> StateDeltaEvent:
    """Changes of the state as a JSON Patch (RFC 6902)."""
    patch = [{"op": operation, "path": path, "value": value} for path, value in values.items()]
    return StateDeltaEvent.model_validate({"delta": patch})


def interrupt_id(desk_run_id: str, event_id: int) -> str:
    """The id of a gate's question: the run, and the entry of its journal that asks."""
    return f"{desk_run_id}:{event_id}"


def _interrupt(event: Event, asked: Asked) -> RunFinishedInterruptOutcome:
    return RunFinishedInterruptOutcome(
        interrupts=[
            Interrupt(
                id=interrupt_id(event.run_id, event.id),
                reason=str(event.meta.get("gate", "")),
                message=str(event.meta.get("title", event.message)),
                response_schema=asked.schema,
                expires_at=asked.expires_at or event.meta.get("due_at"),
            )
        ]
    )
