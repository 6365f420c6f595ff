"""The dependencies that routes name in their signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request

from api.accept import preferred
from api.hub import Hub
from api.inbox_watch import InboxWatch
from api.metrics import MetricsPage
from api.readiness import ReadinessProbe
from api.security.auth import Access, access_of
from api.security.oidc import OidcLogin
from api.security.sessions import Sessions
from api.security.tickets import Tickets
from api.sse import last_event_id
from data.contracts.application import ApplicantRole
from data.contracts.errors import RecordNotFoundError
from flows.service.desk import DeskService
from flows.service.requests import Caller

_Numbered = Annotated[str | None, Header(alias="Last-Event-ID", description="As in `after`.")]
_After = Annotated[
    str | None, Query(description="The id of the last event that the client has seen.")
]
_Ticket = Annotated[
    str | None,
    Query(description="A ticket of `POST /runs/{run_id}/events/ticket` in place of an API key."),
]
_IfMatch = Annotated[
    str | None,
    Header(
        max_length=128,
        description="The `ETag` of the request that is answered; a stale one is refused.",
    ),
]


def as_run_id(text: str) -> str:
    """A run's id in the form in which the ledger has it. Raises RecordNotFoundError."""
    try:
        return str(UUID(text))
    except ValueError:
        raise RecordNotFoundError("no run has an id of this form") from None


def _desk(request: Request) -> DeskService:
    desk: DeskService = request.app.state.desk
    return desk


def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def _readiness(request: Request) -> ReadinessProbe:
    readiness: ReadinessProbe = request.app.state.readiness
    return readiness


def _accept(request: Request) -> str:
    return request.headers.get("accept", "")


def _metrics(request: Request) -> MetricsPage:
    page: MetricsPage = request.app.state.metrics
    return page


def _inbox_watch(request: Request) -> InboxWatch:
    watch: InboxWatch = request.app.state.inbox_watch
    return watch


def _tickets(request: Request) -> Tickets:
    tickets: Tickets = request.app.state.tickets
    return tickets


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def _oidc(request: Request) -> OidcLogin:
    oidc: OidcLogin | None = request.app.state.oidc
    if oidc is None:
        raise RecordNotFoundError("no issuer signs people in here: set CREDIT_DESK_OIDC_ISSUER")
    return oidc


def _caller(request: Request) -> Caller:
    return access_of(request).caller


def _still_authorized(request: Request) -> Callable[[], bool]:
    return access_of(request).still_authorized


def _run_id(run_id: Annotated[str, Path(description="The id that `POST /runs` answered.")]) -> str:
    return as_run_id(run_id)


def _batch_id(
    batch_id: Annotated[str, Path(description="The id that `POST /batches` answered.")],
) -> str:
    try:
        return str(UUID(batch_id))
    except ValueError:
        raise RecordNotFoundError("no batch has an id of this form") from None


def _position(last_event: _Numbered = None, after: _After = None, ticket: _Ticket = None) -> int:
    """The last event that the client has. The middleware has read the ticket already."""
    return last_event_id(last_event, after)


def _request_id(if_match: _IfMatch = None) -> str | None:
    """The request that `If-Match` names; None for no header and for `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    return if_match.strip().removeprefix("W/").strip('"')


def _letter_form(accept: Annotated[str, Header(include_in_schema=False)] = "") -> str:
    return preferred(accept, ("application/json", "text/plain", "text/html"))


DeskDep = Annotated[DeskService, Depends(_desk)]
HubDep = Annotated[Hub, Depends(_hub)]
ReadinessDep = Annotated[ReadinessProbe, Depends(_readiness)]
MetricsDep = Annotated[MetricsPage, Depends(_metrics)]
InboxWatchDep = Annotated[InboxWatch, Depends(_inbox_watch)]
TicketsDep = Annotated[Tickets, Depends(_tickets)]
SessionsDep = Annotated[Sessions, Depends(_sessions)]
OidcDep = Annotated[OidcLogin, Depends(_oidc)]
AccessDep = Annotated[Access, Depends(access_of)]
CallerDep = Annotated[Caller, Depends(_caller)]
StillAuthorized = Annotated[Callable[[], bool], Depends(_still_authorized)]
RunId = Annotated[str, Depends(_run_id)]
BatchId = Annotated[str, Depends(_batch_id)]
ApplicationId = Annotated[
    str, Path(max_length=64, description="The id under which the application is filed.")
]
Position = Annotated[int, Depends(_position)]
RequestNamed = Annotated[str | None, Depends(_request_id)]
Accept = Annotated[str, Depends(_accept)]
Addressee = Annotated[
    ApplicantRole, Query(description="Whose letter: each applicant has one of their own.")
]
LetterForm = Annotated[str, Depends(_letter_form)]
IdempotencyKey = Annotated[
    str | None,
    Header(max_length=128, description="The same key again gets the same answer."),
]
