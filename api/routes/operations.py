"""Operations: what is under way, who executes it, and how many decisions each day brought."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import DeskDep
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.base import Day
from data.contracts.operations import DecisionDays, Workload

router = APIRouter(tags=["operations"], route_class=JsonRoute)


@router.get("/workload", responses=answers(503))
async def read_workload(desk: DeskDep) -> Workload:
    """How many runs are queued, running, waiting and failed, and which worker executes which.

    The ledger knows who executes a run. Prefect knows the workers without one; while it does not
    answer, they are missing and `prefect_answers` is false.
    """
    return await desk.operations.workload()


@router.get("/decisions/days", responses=answers(422, 503))
async def read_decision_days(
    desk: DeskDep, since: Day | None = None, until: Day | None = None
) -> DecisionDays:
    """The decisions of runs and batches by day (UTC) and outcome, by default of the last 30 days.

    `until` is the first day that is not counted. A period has at most 366 days.
    """
    return await desk.operations.decision_days(since, until)
