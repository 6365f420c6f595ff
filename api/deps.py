"""What routes read from their signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Path, Request

from api.hub import Hub
from api.security.auth import authorization_of, caller_of
from api.sse import last_event_id
from data.contracts.errors import RecordNotFoundError
from flows.service.desk import DeskService
from flows.service.requests import Caller


def _desk(request: Request) -> DeskService:
    desk: DeskService = request.app.state.desk
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


DeskDep = Annotated[DeskService, Depends(_desk)]
HubDep = Annotated[Hub, Depends(_hub)]
CallerDep = Annotated[Caller, Depends(caller_of)]
RunId = Annotated[str, Depends(_run_id)]
IdempotencyKey = Annotated[
    str | None,
    Header(max_length=128, description="The same key again is answered like the first time."),
]
After = Annotated[int, Depends(_after)]
StillAuthorized = Annotated[Callable[[], bool], Depends(authorization_of)]
