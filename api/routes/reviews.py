"""Reviews: what waits for a person, and the person's answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from api.deps import CallerDep, DeskDep, IdempotencyKey, RunId
from api.json_route import JsonRoute
from api.problems import answers, header
from data.contracts.review import Claim, Role
from data.contracts.runs import RunSummary
from flows.service.requests import Answer, ClaimRequest, InboxItem, OpenRequest

router = APIRouter(tags=["reviews"], route_class=JsonRoute)

_ETAG = "The request, as `If-Match` names it when it is answered."
_IF_MATCH = "The `ETag` of the request that is answered; a stale one is refused."


@router.get(
    "/runs/{run_id}/hitl", responses=answers(404, 503) | {200: {"headers": header("ETag", _ETAG)}}
)
async def read_request(
    run_id: RunId, desk: DeskDep, caller: CallerDep, response: Response
) -> OpenRequest:
    """The request that a waiting run has open, with the form to fill in.

    At the `compliance` gate, compliance also reads the entries of the list that are in question.
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
    if_match: Annotated[str | None, Header(max_length=128, description=_IF_MATCH)] = None,
) -> RunSummary:
    """Answer for a person. The first valid answer counts, exactly once.

    An answer that names its request, in `request_id` or `If-Match`, counts for no other: 409
    `stale_request` when the run asks something else by now.
    """
    named = if_match.removeprefix("W/").strip('"') if if_match not in {None, "*"} else None
    return await desk.answer(run_id, body, caller, idempotency_key, named)


@router.post("/runs/{run_id}/claim", responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503))
async def claim_request(
    run_id: RunId, body: ClaimRequest, desk: DeskDep, caller: CallerDep
) -> Claim:
    """Take a request off the pile, so that nobody else works on it; again, to keep it longer."""
    return await desk.claim(run_id, body, caller)


@router.delete(
    "/runs/{run_id}/claim",
    status_code=HTTPStatus.NO_CONTENT,
    responses=answers(403, 404, 409, 410, 422, 503),
)
async def release_request(
    run_id: RunId, claim: Annotated[ClaimRequest, Query()], desk: DeskDep, caller: CallerDep
) -> None:
    """Put a request back onto the pile."""
    await desk.release(run_id, claim, caller)


@router.get("/inbox", responses=answers(422, 503))
async def read_inbox(desk: DeskDep, role: Role | None = None) -> tuple[InboxItem, ...]:
    """Everything that waits for somebody, most urgent first."""
    return await desk.inbox(role)
