"""Screenings for an auditor, and clearances that a second person confirms."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.deps import CallerDep, DeskDep
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.runs import Clearance
from flows.service.requests import ClaimRequest, ClearancePage, ScreeningPage

router = APIRouter(tags=["screenings"], route_class=JsonRoute)

_Limit = Annotated[int, Query(ge=1, le=500)]
_Cursor = Annotated[str, Query(max_length=64)]


@router.get("/screenings", responses=answers(422, 503))
async def read_screenings(
    desk: DeskDep, limit: _Limit = 100, cursor: _Cursor = ""
) -> ScreeningPage:
    """The whole screening of every run: its lists with date and digest, and its candidates."""
    return await desk.screenings(limit, cursor)


@router.get("/clearances", responses=answers(422, 503))
async def read_clearances(
    desk: DeskDep, limit: _Limit = 100, cursor: _Cursor = ""
) -> ClearancePage:
    """What compliance has cleared: the entry, who confirmed it, and until when it counts."""
    return await desk.clearances(limit, cursor)


@router.post(
    "/clearances/{clearance_id}/confirm",
    responses=answers(400, 403, 404, 409, 413, 415, 422, 503),
)
async def confirm_clearance(
    clearance_id: Annotated[str, Path(max_length=64)],
    body: ClaimRequest,
    desk: DeskDep,
    caller: CallerDep,
) -> Clearance:
    """Confirm a clearance as a second person of compliance. From then on it counts.

    The person is not asked about again until name, date of birth or entry change, or the clearance
    runs out.
    """
    return await desk.confirm_clearance(clearance_id, body, caller)
