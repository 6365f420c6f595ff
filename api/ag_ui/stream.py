"""The frames of one AG-UI run: the run's journal, translated as it grows."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    CustomEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunStartedEvent,
)

from api.ag_ui.translation import Asked, Leg
from api.hub import Hub
from api.problems import MalformedRequestError
from data.contracts.errors import CreditDeskError
from data.contracts.events import Event, EventType
from flows.service.desk import DeskService
from flows.service.requests import Caller


async def frames_of(
    leg: Leg,
    desk: DeskService,
    hub: Hub,
    caller: Caller,
    seen: str,
    still_authorized: Callable[[], bool],
) -> AsyncGenerator[bytes]:
    """The frames of a leg after the one that the client saw last, live until the leg is closed.

    AG-UI's own binding knows no way back into a broken stream. Here each frame has an id, and the
    same request with `Last-Event-ID` goes on after it.
    """
    last = _place(seen)
    async with aclosing(hub.follow(leg.desk_run_id, 0, still_authorized)) as chunks:
        async for chunk in chunks:
            for event in _events_in(chunk):
                is_asked = event.type is EventType.WAITING and event.id > leg.begins_after
                asked = await _asked(desk, caller, leg.desk_run_id) if is_asked else None
                for number, translated in enumerate(leg.translate(event, asked), 1):
                    if (event.id, number) > last:
                        yield _frame(event.id, number, translated)
                if leg.is_closed:
                    return


async def abandoned(leg: Leg) -> AsyncGenerator[bytes]:
    """The frames of a run whose client has given the gate's question up.

    Nothing is decided by that: the case waits in the inbox until its time is over.
    """
    said = "The case waits in the inbox for another answer."
    for number, event in enumerate(
        (
            RunStartedEvent(
                thread_id=leg.thread_id, run_id=leg.run_id, protocol_version=PROTOCOL_VERSION
            ),
            CustomEvent(name="hitl.abandoned", value={"message": said}),
            RunFinishedEvent(
                thread_id=leg.thread_id,
                run_id=leg.run_id,
                outcome=RunFinishedCancelledOutcome(),
            ),
        ),
        1,
    ):
        yield _frame(leg.begins_after, number, event)


async def _asked(desk: DeskService, caller: Caller, run_id: str) -> Asked:
    """The form of the open request; nothing where the request is not open any more."""
    try:
        opened = await desk.open_request(run_id, caller)
    except CreditDeskError:
        return Asked()
    return Asked(opened.form_schema, opened.review.due_at.isoformat())


def _events_in(chunk: bytes) -> Iterator[Event]:
    for line in chunk.decode().split("\n"):
        if line.startswith("data: "):
            yield Event.model_validate(json.loads(line.removeprefix("data: ")))


def _frame(event_id: int, number: int, event: BaseEvent) -> bytes:
    return f"id: {event_id}.{number}\ndata: {event.model_dump_json(by_alias=True)}\n\n".encode()


def _place(seen: str) -> tuple[int, int]:
    """Raises MalformedRequestError for an id that no frame has."""
    if not seen:
        return 0, 0
    event_id, _, number = seen.partition(".")
    if not (event_id.isdecimal() and number.isdecimal() and len(seen) <= 32):
        raise MalformedRequestError(
            "Last-Event-ID is the id of a frame, such as 12.1", pointer="/header/last-event-id"
        )
    return int(event_id), int(number)
