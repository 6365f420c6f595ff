"""Probes: whether the process is alive, and whether the desk accepts work."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from api.deps import ReadinessDep
from api.problems import RETRY_AFTER
from api.schemas import Liveness, Readiness

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def is_alive() -> Liveness:
    """Answers as long as the process does."""
    return Liveness()


@router.get(
    "/ready",
    responses={
        503: {
            "model": Readiness,
            "description": "At least one part is out of reach",
            "headers": RETRY_AFTER,
        }
    },
)
async def is_ready(readiness: ReadinessDep, response: Response) -> Readiness:
    """Whether ledger, Prefect server and a worker are there; 503 names the missing part.

    The answer is at most one second old.
    """
    found = await readiness.check()
    if not found.ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "1"
    return found
