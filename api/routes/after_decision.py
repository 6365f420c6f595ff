"""After the decision: the applicant answers the offer, and conditions are met or waived."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from api.deps import ApplicationId, CallerDep, DeskDep, RunId
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.after_decision import (
    ConditionChange,
    ConditionState,
    OfferAnswer,
    OfferState,
)

router = APIRouter(route_class=JsonRoute)

_REFUSED = answers(400, 404, 409, 413, 415, 422, 503)

Code = Annotated[str, Path(max_length=64, description="The code of the condition.")]


@router.post(
    "/runs/{run_id}/offer", tags=["runs"], status_code=HTTPStatus.ACCEPTED, responses=_REFUSED
)
async def answer_offer(
    run_id: RunId, body: OfferAnswer, desk: DeskDep, caller: CallerDep
) -> OfferState:
    """Enter the applicant's answer to the offer. The first answer counts.

    409 `offer_closed` for an offer that has lapsed or was answered. `GET /runs/{run_id}/decision`
    has the answer as `offer`.
    """
    return await desk.answer_offer(await desk.decision(run_id), body, caller)


@router.post(
    "/applications/{application_id}/offer",
    tags=["applications"],
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSED,
)
async def answer_offer_on_application(
    application_id: ApplicationId, body: OfferAnswer, desk: DeskDep, caller: CallerDep
) -> OfferState:
    """Enter the applicant's answer to an offer that a run or a batch has made.

    Otherwise like `POST /runs/{run_id}/offer`.
    """
    return await desk.answer_offer(await desk.decision_on(application_id), body, caller)


@router.post("/runs/{run_id}/conditions/{code}", tags=["runs"], responses=_REFUSED | answers(403))
async def change_condition(
    run_id: RunId,
    code: Code,
    body: ConditionChange,
    desk: DeskDep,
    caller: CallerDep,
) -> ConditionState:
    """Note that a condition of the decision was met, was waived, or failed.

    The letter stays as it was sent; `GET /runs/{run_id}/decision` has the conditions of today.
    """
    return await desk.change_condition(await desk.decision(run_id), code, body, caller)


@router.post(
    "/applications/{application_id}/conditions/{code}",
    tags=["applications"],
    responses=_REFUSED | answers(403),
)
async def change_condition_of_application(
    application_id: ApplicationId,
    code: Code,
    body: ConditionChange,
    desk: DeskDep,
    caller: CallerDep,
) -> ConditionState:
    """Note what became of a condition of a decision that a run or a batch has taken.

    Otherwise like `POST /runs/{run_id}/conditions/{code}`.
    """
    decided = await desk.decision_on(application_id)
    return await desk.change_condition(decided, code, body, caller)
