"""After the decision: the applicant answers the offer, and conditions are met or waived."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from api.deps import CallerDep, DeskDep, RunId
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.after_decision import (
    ConditionChange,
    ConditionState,
    OfferAnswer,
    OfferState,
)

router = APIRouter(prefix="/runs", tags=["runs"], route_class=JsonRoute)

_REFUSED = answers(400, 404, 409, 413, 415, 422, 503)


@router.post("/{run_id}/offer", status_code=HTTPStatus.ACCEPTED, responses=_REFUSED)
async def answer_offer(
    run_id: RunId, body: OfferAnswer, desk: DeskDep, caller: CallerDep
) -> OfferState:
    """Enter the applicant's answer to the offer. The first answer counts.

    409 `offer_closed` for an offer that has lapsed or was answered. `GET /runs/{run_id}/decision`
    has the answer as `offer`.
    """
    return await desk.answer_offer(run_id, body, caller)


@router.post("/{run_id}/conditions/{code}", responses=_REFUSED | answers(403))
async def change_condition(
    run_id: RunId,
    code: Annotated[str, Path(max_length=64, description="The code of the condition.")],
    body: ConditionChange,
    desk: DeskDep,
    caller: CallerDep,
) -> ConditionState:
    """Note that a condition of the decision was met, was waived, or failed.

    The letter stays as it was sent; `GET /runs/{run_id}/decision` has the conditions of today.
    """
    return await desk.change_condition(run_id, code, body, caller)
