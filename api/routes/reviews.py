"""Reviews: what waits for a person, and the person's answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query

from api.deps import CallerDep, DeskDep, RunId
from api.json_route import JsonRoute
from api.problems import answers
from api.schemas import Answer, ClaimRequest, InboxItem, OpenRequest
from data.contracts.review import Claim, Role
from data.contracts.runs import RunSummary

router = APIRouter(tags=["reviews"], route_class=JsonRoute)


@router.get("/runs/{run_id}/hitl", responses=answers(404, 503))
async def read_request(run_id: RunId, desk: DeskDep, caller: CallerDep) -> OpenRequest:
    """The request that a waiting run has open, with the form to fill in.

    At the `compliance` gate, compliance also reads the entries of the list that are in question.
    """
    return await desk.open_request(run_id, caller)


@router.post(
    "/runs/{run_id}/hitl",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503),
)
async def answer_request(
    run_id: RunId,
    answer: Answer,
    desk: DeskDep,
    caller: CallerDep,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=128, description="The same key and answer again is answered alike."),
    ] = None,
) -> RunSummary:
    """Answer for a person. The first valid answer counts, exactly once."""
    return await desk.answer(run_id, answer, caller, idempotency_key)


@router.post("/runs/{run_id}/claim", responses=answers(400, 403, 404, 409, 410, 413, 415, 422, 503))
async def claim_request(
    run_id: RunId, order: ClaimRequest, desk: DeskDep, caller: CallerDep
) -> Claim:
    """Take a request off the pile, so that nobody else works on it; again, to keep it longer."""
    return await desk.claim(run_id, order, caller)


@router.delete(
    "/runs/{run_id}/claim",
    status_code=HTTPStatus.NO_CONTENT,
    responses=answers(403, 404, 409, 410, 422, 503),
)
async def release_request(
    run_id: RunId, order: Annotated[ClaimRequest, Query()], desk: DeskDep, caller: CallerDep
) -> None:
    """Put a request back onto the pile."""
    await desk.release(run_id, order, caller)


@router.get("/inbox", responses=answers(422, 503))
async def read_inbox(desk: DeskDep, role: Role | None = None) -> tuple[InboxItem, ...]:
    """Everything that waits for somebody, most urgent first."""
    return await desk.inbox(role)
