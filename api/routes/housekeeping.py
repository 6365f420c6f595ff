"""Housekeeping: deadlines, retention, legal holds."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import CallerDep, DeskDep, RunId
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.runs import RunSummary
from flows.housekeeping import HousekeepingReport

router = APIRouter(tags=["housekeeping"], route_class=JsonRoute)


@router.get("/housekeeping", responses=answers(503))
async def plan_housekeeping(desk: DeskDep) -> HousekeepingReport:
    """What housekeeping would purge now. It changes nothing."""
    return await desk.housekeeping(dry_run=True)


@router.post("/housekeeping", responses=answers(503))
async def keep_house(desk: DeskDep) -> HousekeepingReport:
    """Enforce deadlines and retention, and compare the index of checkpoints with the storage."""
    return await desk.housekeeping(dry_run=False)


@router.post("/runs/{run_id}/hold", responses=answers(404, 503))
async def hold_run(run_id: RunId, desk: DeskDep, caller: CallerDep) -> RunSummary:
    """Put a run under a legal hold: housekeeping purges nothing of it."""
    return await desk.hold(run_id, caller, held=True)


@router.delete("/runs/{run_id}/hold", responses=answers(404, 503))
async def release_run(run_id: RunId, desk: DeskDep, caller: CallerDep) -> RunSummary:
    """Release a run from its legal hold. Retention applies to it again."""
    return await desk.hold(run_id, caller, held=False)
