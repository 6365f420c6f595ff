"""Runs: start, read, follow, resume, cancel."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from api import examples
from api.deps import (
    AccessDep,
    Addressee,
    CallerDep,
    DeskDep,
    HubDep,
    IdempotencyKey,
    LetterForm,
    Position,
    RunId,
    StillAuthorized,
    TicketsDep,
)
from api.json_route import JsonRoute
from api.problems import LOCATION, NotAllowedError, answers
from api.responses import LETTER, as_letter, as_stored
from api.schemas import DecisionRecord, EventsTicket
from api.sse import EventStream, stream
from data.contracts.application import ApplicantRole
from data.contracts.case_view import CaseView
from data.contracts.events import Event
from data.contracts.explanation import PolicyExplanation
from data.contracts.notices import SentNotice
from data.contracts.runs import RunStatus, RunSummary
from flows.service.requests import ResumeRun, RunPage, RunState, StartRun

router = APIRouter(prefix="/runs", tags=["runs"], route_class=JsonRoute)


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(400, 404, 409, 413, 415, 422, 503)
    | {
        200: {
            "model": RunSummary,
            "description": "The desk knew the application: the same run",
            "headers": LOCATION,
        },
        202: {"headers": LOCATION},
    },
)
async def start_run(
    body: Annotated[StartRun, Body(openapi_examples=examples.OF_START)],
    desk: DeskDep,
    caller: CallerDep,
    response: Response,
) -> RunSummary:
    """Start underwriting, and answer before it has finished.

    The same application again answers 200 with the same run. Other content under the same id is a
    conflict.
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
    run: Annotated[
        str | None, Query(max_length=36, description="How the ids of the runs begin.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> RunPage:
    """Runs, newest first."""
    return await desk.runs(
        status=status, application_id=application_id, begins=run, limit=limit, cursor=cursor
    )


@router.get("/{run_id}", responses=answers(404, 503))
async def read_run(run_id: RunId, desk: DeskDep) -> RunSummary:
    """The status of a run, its decision, and links to read on."""
    return await desk.run(run_id)


@router.get(
    "/{run_id}/events",
    response_class=EventStream,
    responses=answers(400, 404, 503)
    | {
        200: {"model": Event, "description": "One frame per event: `id`, `event`, `data`"},
        204: {"description": "The run has ended, and the client has its last event"},
    },
)
async def follow_run(
    run_id: RunId, hub: HubDep, after: Position, still_authorized: StillAuthorized
) -> Response:
    """Every event of the run so far, then each new one as it happens.

    Go on after event n with the header `Last-Event-ID: n` or with `?after=n`. The stream ends
    after the terminal event, and when the caller's key is revoked. The name of a frame is the type
    of its event, except `run.error` for the type `error`: EventSource uses `error` for itself.
    """
    if await hub.has_nothing_after(run_id, after):
        # 204 is the only answer after which a browser stops reconnecting.
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return stream(hub.follow(run_id, after, still_authorized))


@router.post("/{run_id}/events/ticket", responses=answers(403, 404, 503))
async def issue_ticket(
    run_id: RunId, desk: DeskDep, tickets: TicketsDep, access: AccessDep
) -> EventsTicket:
    """A ticket for `GET /runs/{run_id}/events?ticket=…`, for clients that cannot send a header.

    It is valid for 60 seconds, for this run only, in the name of the caller's key. A browser that
    has signed in needs none: its cookie opens the stream.
    """
    key_id = access.session.key_id if access.session else access.key_id
    if access.session and not key_id:
        raise NotAllowedError("a ticket is for a key: a browser's session opens the stream itself")
    run = await desk.run(run_id)
    return tickets.issue(run.run_id, key_id)


@router.get("/{run_id}/state", responses=answers(404, 503))
async def read_state(run_id: RunId, desk: DeskDep) -> RunState:
    """The state of the run, masked, with its checkpoints and its messages."""
    return await desk.state(run_id)


@router.get("/{run_id}/case", responses=answers(404, 409, 503))
async def read_case(run_id: RunId, desk: DeskDep, caller: CallerDep) -> CaseView:
    """The case in words: the rules that were hit first, what cost points, the price asked for.

    Underwriters and compliance also read of other applications of the same people. 404 before the
    run has begun.
    """
    return await desk.case(run_id, caller)


@router.get("/{run_id}/policy", responses=answers(404, 409, 503))
async def explain_policy(run_id: RunId, desk: DeskDep) -> PolicyExplanation:
    """What each rule said about the run, with its condition in words and the facts it used.

    404 while the policy has not judged the run.
    """
    return await desk.policy(run_id)


@router.get(
    "/{run_id}/decision",
    response_class=Response,
    responses=answers(404, 422, 503) | {200: {"model": DecisionRecord}},
)
async def read_decision(
    run_id: RunId,
    desk: DeskDep,
    hub: HubDep,
    wait: Annotated[
        float, Query(ge=0, le=20, description="Seconds to wait for the end of the run.")
    ] = 0,
) -> Response:
    """The decision's content in its envelope; 404 while the case is undecided.

    Straight after the last answer, `?wait=10` waits for the decision that follows from it.
    """
    if wait:
        await hub.until_over(run_id, wait)
    return as_stored(await desk.decision(run_id))


@router.get(
    "/{run_id}/notice", response_model=SentNotice, responses=answers(404, 422, 503) | LETTER
)
async def read_notice(
    run_id: RunId, desk: DeskDep, form: LetterForm, applicant: Addressee = ApplicantRole.PRIMARY
) -> SentNotice | Response:
    """The letter to an applicant, as it was sent: approval, counter-offer, adverse action, or what
    is missing.

    404 while the case is undecided, for an application that was withdrawn, and for a co-applicant
    who is none.
    """
    return as_letter(await desk.notice(run_id, applicant), form)


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
    """Resume from the last checkpoint. With a checkpoint or overrides, start a fork instead.

    The same `Idempotency-Key` again answers with the same fork.
    """
    run = await desk.resume(run_id, body or ResumeRun(), caller, idempotency_key)
    response.headers["Location"] = f"/runs/{run.run_id}"
    return run


@router.post("/{run_id}/cancel", status_code=HTTPStatus.ACCEPTED, responses=answers(404, 409, 503))
async def cancel_run(run_id: RunId, desk: DeskDep, caller: CallerDep) -> RunSummary:
    """Cancel a run for good, whether it is queued, running or waiting."""
    return await desk.cancel(run_id, caller)
