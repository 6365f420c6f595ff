"""Runs: start, look at, follow, resume."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse
from sse_starlette import EventSourceResponse

from api.deps import (
    After,
    CallerDep,
    DeskDep,
    HubDep,
    IdempotencyKey,
    RunId,
    StillAuthorized,
)
from api.json_route import JsonRoute
from api.problems import LOCATION, answers
from api.sse import RETRY
from data.contracts.events import Event
from data.contracts.notices import Notice
from data.contracts.runs import RunStatus, RunSummary
from flows.service.requests import ResumeRun, RunPage, RunState, StartRun

router = APIRouter(prefix="/runs", tags=["runs"], route_class=JsonRoute)

PING_SECONDS = 15
SEND_SECONDS = 20


class EventStream(EventSourceResponse):
    """The library's response; its media type is said where the OpenAPI page looks for it."""

    media_type = "text/event-stream"


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(400, 404, 409, 413, 415, 422, 503)
    | {
        200: {
            "model": RunSummary,
            "description": "Known already: the same run",
            "headers": LOCATION,
        },
        202: {"headers": LOCATION},
    },
)
async def start_run(
    body: StartRun, desk: DeskDep, caller: CallerDep, response: Response
) -> RunSummary:
    """Start underwriting and answer before it has finished.

    The same application again answers 200 with the same run; other content under the same id
    is a conflict.
    """
    run, is_new = await desk.submit(body, caller)
    response.status_code = HTTPStatus.ACCEPTED if is_new else HTTPStatus.OK
    response.headers["Location"] = f"/runs/{run.run_id}"
    return run


@router.get("", responses=answers(400, 422, 503))
async def list_runs(
    desk: DeskDep,
    status: RunStatus | None = None,
    application_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> RunPage:
    """Runs, newest first."""
    return await desk.runs(status=status, application_id=application_id, limit=limit, cursor=cursor)


@router.get("/{run_id}", responses=answers(404, 503))
async def read_run(run_id: RunId, desk: DeskDep) -> RunSummary:
    """Where a run stands, what it has decided, and where to look next."""
    return await desk.run(run_id)


@router.get(
    "/{run_id}/events",
    response_class=EventStream,
    responses=answers(400, 404, 503)
    | {
        200: {"model": Event, "description": "One frame per event: `id`, `event`, `data`"},
        204: {"description": "The run has ended and `Last-Event-ID` was its last event"},
    },
)
async def follow_run(
    run_id: RunId, hub: HubDep, after: After, still_authorized: StillAuthorized, request: Request
) -> Response:
    """Every event of the run so far, then each new one as it happens.

    Go on after event n with the header `Last-Event-ID: n`, or with `?after=n`. The stream ends
    after the terminal event, and when the key is revoked that it was asked with.
    """
    has_all = await hub.has_nothing_after(run_id, after)
    if has_all and "last-event-id" in request.headers:
        # The one answer upon which a browser stops to come back.
        return Response(status_code=HTTPStatus.NO_CONTENT)
    frames = _frames(hub.follow(run_id, after, still_authorized))
    return EventStream(frames, ping=PING_SECONDS, send_timeout=SEND_SECONDS)


@router.get("/{run_id}/state", responses=answers(404, 503))
async def read_state(run_id: RunId, desk: DeskDep) -> RunState:
    """What the run knows so far, masked, with its checkpoints and its thread of messages."""
    return await desk.state(run_id)


@router.get("/{run_id}/decision", responses=answers(404, 503))
async def read_decision(run_id: RunId, desk: DeskDep) -> dict[str, Any]:
    """The decision's content in its envelope; 404 while the case is undecided."""
    return await desk.decision(run_id)


@router.get(
    "/{run_id}/notice",
    response_model=Notice,
    responses=answers(404, 503)
    | {200: {"description": "As `Accept` prefers", "content": {"text/plain": {}}}},
)
async def read_notice(
    run_id: RunId, desk: DeskDep, accept: Annotated[str, Header()] = "*/*"
) -> Notice | Response:
    """The letter to the applicant: approval, counter-offer, adverse action, incompleteness.

    As JSON; as plain text for whoever accepts `text/plain` and not JSON. 404 while the case is
    undecided, and for an application that was withdrawn.
    """
    letter = await desk.notice(run_id)
    wants_text = "text/plain" in accept and "application/json" not in accept
    return PlainTextResponse(letter.text) if wants_text else letter


@router.post(
    "/{run_id}/resume",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(400, 403, 404, 409, 413, 415, 422, 503) | {202: {"headers": LOCATION}},
)
async def resume_run(
    run_id: RunId,
    desk: DeskDep,
    caller: CallerDep,
    response: Response,
    body: ResumeRun | None = None,
    idempotency_key: IdempotencyKey = None,
) -> RunSummary:
    """Go on from the last checkpoint; with a checkpoint or overrides, as a fork with its own id.

    The same `Idempotency-Key` again answers with the same fork.
    """
    run = await desk.resume(run_id, body or ResumeRun(), caller, idempotency_key)
    response.headers["Location"] = f"/runs/{run.run_id}"
    return run


@router.post("/{run_id}/cancel", status_code=HTTPStatus.ACCEPTED, responses=answers(404, 409, 503))
async def cancel_run(run_id: RunId, desk: DeskDep, caller: CallerDep) -> RunSummary:
    """Stop a run for good: under way, waiting or queued."""
    return await desk.cancel(run_id, caller)


async def _frames(journal: AsyncIterator[bytes]) -> Any:
    yield RETRY
    async for frames in journal:
        yield frames
