"""What routes read from their signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request

from api.gateway import Gateway
from api.hub import Hub
from api.schemas import Caller
from api.security.auth import caller_of, stay_of
from api.sse import last_event_id
from data.contracts.errors import RecordNotFoundError


def _desk(request: Request) -> Gateway:
    desk: Gateway = request.app.state.desk
    return desk


def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def _run_id(run_id: Annotated[str, Path(description="The id that `POST /runs` answered.")]) -> str:
    try:
        return str(UUID(run_id))
    except ValueError:
        raise RecordNotFoundError("no run has an id of this form") from None


def _after(request: Request, after: str | None = None) -> int:
    return last_event_id(request.headers.get("last-event-id"), after)


DeskDep = Annotated[Gateway, Depends(_desk)]
HubDep = Annotated[Hub, Depends(_hub)]
CallerDep = Annotated[Caller, Depends(caller_of)]
RunId = Annotated[str, Depends(_run_id)]
After = Annotated[int, Depends(_after)]
MayStay = Annotated[Callable[[], bool], Depends(stay_of)]
