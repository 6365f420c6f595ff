"""AG-UI: a run of the desk for any client of the protocol between agents and user interfaces."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response

from api.deps import CallerDep, DeskDep, HubDep, StillAuthorized
from api.json_route import JsonRoute
from api.problems import answers
from api.schemas import AgUiEvent
from api.sse import EventStream, stream

router = APIRouter(tags=["ag-ui"], route_class=JsonRoute)

_EXAMPLE = {
    "threadId": "thread-1",
    "runId": "run-1",
    "messages": [],
    "forwardedProps": {"application_id": "bora-borderline"},
}
_Seen = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=32, description="Go on after the frame of this id."),
]


@router.post(
    "/ag-ui",
    response_class=EventStream,
    responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503)
    | {
        200: {
            "model": AgUiEvent,
            "description": "One event of AG-UI 1.0 a frame: `id`, `data`",
        }
    },
)
async def run_agent(
    body: Annotated[dict[str, Any], Body(examples=[_EXAMPLE])],
    desk: DeskDep,
    hub: HubDep,
    caller: CallerDep,
    still_authorized: StillAuthorized,
    seen: _Seen = None,
) -> Response:
    """A run as events of AG-UI: its stages as steps, agents as messages, tools, and its state.

    `forwardedProps` is the body of `POST /runs`. At a gate the run ends with an interrupt, whose
    `responseSchema` is the gate's form; `resume` with that interrupt's id and the filled-in form
    answers it, by the same rules as `POST /runs/{run_id}/hitl`. The same request again with
    `Last-Event-ID` goes on where the stream broke.
    """
    # The models of the protocol take a while to load, and most desks never need them.
    from api.ag_ui.request import begin, read_input
    from api.ag_ui.stream import abandoned, frames_of

    asked = read_input(body)
    leg, is_given_up = await begin(asked, desk, caller)
    frames: AsyncGenerator[bytes] = (
        abandoned(leg)
        if is_given_up
        else frames_of(leg, desk, hub, caller, seen or "", still_authorized)
    )
    return stream(frames)
