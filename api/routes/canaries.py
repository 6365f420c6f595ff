"""Canaries: a challenger bundle on a share of the traffic, promoted by evidence."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from api.deps import CallerDep, DeskDep
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.canary import (
    CanaryAct,
    CanaryPage,
    CanaryReport,
    ReportEvaluation,
    StartCanary,
)

router = APIRouter(prefix="/canaries", tags=["canaries"], route_class=JsonRoute)

CanaryId = Annotated[str, Path(max_length=64, description="The id that `POST /canaries` answered.")]
_ACT = answers(400, 403, 404, 409, 413, 415, 422, 503)


@router.get("", responses=answers(503))
async def list_canaries(desk: DeskDep) -> CanaryPage:
    """All canaries, the newest first, each with both arms compared."""
    return await desk.canaries.page()


@router.post(
    "", status_code=HTTPStatus.CREATED, responses=answers(400, 404, 409, 413, 415, 422, 503)
)
async def start_canary(body: StartCanary, desk: DeskDep, caller: CallerDep) -> CanaryReport:
    """Give a bundle a share of the traffic, and declare what its promotion needs."""
    return await desk.canaries.start(body, caller)


@router.get("/{canary_id}", responses=answers(404, 422, 503))
async def read_canary(canary_id: CanaryId, desk: DeskDep) -> CanaryReport:
    """Both arms compared with confidence intervals, the guards, and what a promotion needs."""
    return await desk.canaries.find(canary_id)


@router.post("/{canary_id}/approve", responses=_ACT)
async def approve_canary(
    canary_id: CanaryId, body: CanaryAct, desk: DeskDep, caller: CallerDep
) -> CanaryReport:
    """Approve the promotion as one person, on the figures of now."""
    return await desk.canaries.approve(canary_id, body, caller)


@router.post("/{canary_id}/evaluation", responses=_ACT)
async def evaluate_canary(
    canary_id: CanaryId, body: ReportEvaluation, desk: DeskDep, caller: CallerDep
) -> CanaryReport:
    """Give it the report of `credit-desk evaluate --json`. Its record keeps figures and digest."""
    return await desk.canaries.evaluate(canary_id, body, caller)


@router.post("/{canary_id}/promote", responses=_ACT)
async def promote_canary(
    canary_id: CanaryId, body: CanaryAct, desk: DeskDep, caller: CallerDep
) -> CanaryReport:
    """Put the challenger into force. 409 `evidence_missing` says what is missing."""
    return await desk.canaries.promote(canary_id, body, caller)


@router.post("/{canary_id}/stop", responses=_ACT)
async def stop_canary(
    canary_id: CanaryId, body: CanaryAct, desk: DeskDep, caller: CallerDep
) -> CanaryReport:
    """End a canary without a promotion. Runs that have begun stay with their arm."""
    return await desk.canaries.stop(canary_id, body, caller)
