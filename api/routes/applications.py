"""Applications: what was asked for, as much of it as the caller's role may see."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.deps import CallerDep, DeskDep
from api.problems import answers

router = APIRouter(prefix="/applications", tags=["papers"])


@router.get("/{application_id}", responses=answers(404, 503))
async def read_application(
    application_id: Annotated[str, Path(max_length=64)], desk: DeskDep, caller: CallerDep
) -> dict[str, Any]:
    """The application, masked: nobody reads numbers, addresses or more of a birthday than its
    year here; underwriters and compliance read names."""
    return await desk.application(application_id, caller)
