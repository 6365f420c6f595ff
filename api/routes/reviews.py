"""Reviews: the requests that wait for a person, and the person's answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import (
    CallerDep,
    DeskDep,
    IdempotencyKey,
    InboxWatchDep,
    RequestNamed,
    RunId,
    StillAuthorized,
)
from api.json_route import JsonRoute
from api.problems import answers, header
from api.schemas import InboxChange
from api.sse import EventStream, stream
from data.contracts.agreement import AgreementReport, FraudPrecisionReport
from data.contracts.base import Day
from data.contracts.preview import RulingPreview
from data.contracts.review import Claim, Note, Role, Snooze
from data.contracts.runs import RunSummary
from flows.service.requests import (
    Answer,
    ClaimRequest,
    InboxPage,
    NoteRequest,
    OpenRequest,
    SnoozeRequest,
)

router = APIRouter(tags=["reviews"], route_class=JsonRoute)

_ETAG = header("ETag", "The request; send it as `If-Match` with the answer.")


@router.get(
    "/runs/{run_id}/hitl", responses=answers(404, 409, 410, 503) | {200: {"headers": _ETAG}}
)
async def read_request(
    run_id: RunId, desk: DeskDep, caller: CallerDep, response: Response
) -> OpenRequest:
    """The open request of a waiting run, with the form to fill in.

    At the `compliance` gate, compliance also reads the watchlist entries in question.
    """
    request = await desk.open_request(run_id, caller)
    response.headers["ETag"] = f'"{request.request_id}"'
    return request


@router.post(
    "/runs/{run_id}/hitl",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503),
)
async def answer_request(
    run_id: RunId,
    body: Answer,
    desk: DeskDep,
    caller: CallerDep,
    idempotency_key: IdempotencyKey = None,
    request_id: RequestNamed = None,
) -> RunSummary:
    """Answer as a person. The first valid answer counts, exactly once.

    An answer that names its request, in `request_id` or `If-Match`, counts for this request only:
    409 `stale_request` when the run asks something else by now.
    """
    return await desk.answer(run_id, body, caller, idempotency_key, request_id)


@router.post(
    "/runs/{run_id}/hitl/preview",
    responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503),
)
async def preview_answer(
    run_id: RunId,
    body: Answer,
    desk: DeskDep,
    caller: CallerDep,
    request_id: RequestNamed = None,
) -> RulingPreview:
    """What an answer would bring: price, APR, rules, and whether a second person is needed.

    Takes the body of the answer, checks it as the answer is checked, and stores nothing.
    """
    return await desk.preview(run_id, body, caller, request_id)


@router.post("/runs/{run_id}/claim", responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503))
async def claim_request(
    run_id: RunId, body: ClaimRequest, desk: DeskDep, caller: CallerDep
) -> Claim:
    """Reserve a request for one reviewer for a while. Claim it again to keep it longer."""
    return await desk.claim(run_id, body, caller)


@router.delete(
    "/runs/{run_id}/claim",
    status_code=HTTPStatus.NO_CONTENT,
    responses=answers(403, 404, 409, 410, 422, 503),
)
async def release_request(
    run_id: RunId, claim: Annotated[ClaimRequest, Query()], desk: DeskDep, caller: CallerDep
) -> None:
    """Release a claimed request, so that other reviewers may answer it."""
    await desk.release(run_id, claim, caller)


@router.post(
    "/runs/{run_id}/hitl/snooze", responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503)
)
async def snooze_request(
    run_id: RunId, body: SnoozeRequest, desk: DeskDep, caller: CallerDep
) -> Snooze:
    """Put a request aside until a time, with a reason. It comes back to the inbox by itself.

    Its deadlines do not move, so the time must be before it is due.
    """
    return await desk.snooze(run_id, body, caller)


@router.delete(
    "/runs/{run_id}/hitl/snooze",
    status_code=HTTPStatus.NO_CONTENT,
    responses=answers(403, 404, 409, 410, 422, 503),
)
async def wake_request(
    run_id: RunId, claim: Annotated[ClaimRequest, Query()], desk: DeskDep, caller: CallerDep
) -> None:
    """Take a snoozed request back into the inbox before its time."""
    await desk.wake(run_id, claim, caller)


@router.post(
    "/runs/{run_id}/notes",
    status_code=HTTPStatus.CREATED,
    responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503),
)
async def write_note(
    run_id: RunId,
    body: NoteRequest,
    desk: DeskDep,
    caller: CallerDep,
    idempotency_key: IdempotencyKey = None,
) -> Note:
    """Write a note on the case, for the people who rule on it. `GET /runs/{run_id}/case` has all.

    It decides nothing, and goes when the application is erased. The same `Idempotency-Key` again
    answers with the same note.
    """
    return await desk.write_note(run_id, body, caller, idempotency_key)


@router.get("/reviews/agreement", responses=answers(422, 503))
async def read_agreement(
    desk: DeskDep, since: Day | None = None, until: Day | None = None
) -> AgreementReport:
    """How often people followed the policy, overrode it, and why; by default of 30 days.

    The report names no person. `until` is the first day that is not in it.
    """
    return await desk.agreement(since, until)


@router.get("/reviews/fraud-precision", responses=answers(422, 503))
async def read_fraud_precision(
    desk: DeskDep, since: Day | None = None, until: Day | None = None
) -> FraudPrecisionReport:
    """How often signs of fraud were fraud, by band and signal, as underwriters have found."""
    return await desk.fraud_precision(since, until)


@router.get(
    "/inbox/events",
    response_class=EventStream,
    responses=answers(503)
    | {200: {"model": InboxChange, "description": "Frames `inbox`: `event`, `data`"}},
)
async def follow_inbox(watch: InboxWatchDep, still_authorized: StillAuthorized) -> Response:
    """A frame at once, and one whenever an open request comes, goes, or changes hands.

    The frame says that the inbox has changed, not how: read `GET /inbox` then.
    """
    return stream(watch.follow(still_authorized))


@router.get("/inbox", responses=answers(422, 503))
async def read_inbox(
    desk: DeskDep,
    role: Role | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    snoozed: bool = False,
) -> InboxPage:
    """Open requests, the most urgent first. Those that are snoozed now: with `snoozed=true`."""
    return await desk.inbox(role, limit, cursor, snoozed)
