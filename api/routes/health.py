"""Probes: is the process alive, and would the desk take work."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from api.deps import DeskDep
from api.schemas import Liveness, Readiness

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def is_alive() -> Liveness:
    """Answers as long as the process does."""
    return Liveness()


@router.get(
    "/ready",
    responses={503: {"model": Readiness, "description": "Some part is out of reach"}},
)
async def is_ready(desk: DeskDep, response: Response) -> Readiness:
    """Whether ledger, Prefect server and a worker are there; 503 names the one that is not."""
    checks = await desk.is_ready()
    ready = all(checks.values())
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "1"
    return Readiness(ready=ready, checks=checks)
