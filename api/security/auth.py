"""Who the caller is, and whether the caller may do this. Decided before a body is read.

Without keys the API answers requests of this machine only, and every caller acts in every role,
unproven. As soon as there are keys, every request needs one, except the probes and the API's own
page. `PERMISSIONS` says which roles may do what. A route that is not in it is closed to all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from api import docs_page, page_files
from api.methods import allow
from api.problems import NotAllowedError, UnauthenticatedError, plain
from api.security.keys import ApiKey, KeyRing
from api.security.limits import RateLimit, is_stream
from api.security.loopback import require_local_request
from api.security.sessions import Sessions, cookie_of
from api.security.tickets import Tickets
from data.contracts.errors import CreditDeskError
from data.contracts.review import Channel, Role
from data.settings import Settings
from flows.service.requests import Caller

_CREDIT = frozenset({Role.UNDERWRITER, Role.SENIOR_UNDERWRITER})
_DECIDES = _CREDIT | {Role.INTAKE, Role.COMPLIANCE}
_REPORTS = frozenset({Role.SENIOR_UNDERWRITER, Role.COMPLIANCE, Role.OPERATOR})
_ALL = frozenset(Role)

PERMISSIONS: Mapping[tuple[str, str], frozenset[Role]] = {
    ("GET", "/session"): _ALL,
    ("DELETE", "/session"): _ALL,
    ("POST", "/session"): _ALL,
    ("POST", "/runs"): frozenset({Role.INTAKE}),
    ("GET", "/runs"): _ALL,
    ("GET", "/runs/{run_id}"): _ALL,
    ("GET", "/runs/{run_id}/events"): _ALL,
    ("POST", "/runs/{run_id}/events/ticket"): _ALL,
    ("GET", "/runs/{run_id}/state"): _ALL,
    ("GET", "/runs/{run_id}/memory"): _ALL,
    ("GET", "/runs/{run_id}/case"): _ALL,
    ("GET", "/runs/{run_id}/decision"): _ALL,
    ("GET", "/runs/{run_id}/checkpoints"): _ALL,
    ("GET", "/runs/{run_id}/checkpoints/{label}"): _ALL,
    ("GET", "/runs/{run_id}/checkpoints/{label}/{version}"): _ALL,
    ("GET", "/runs/{run_id}/diff"): _ALL,
    ("GET", "/workflow/graph.{form}"): _ALL,
    ("GET", "/runs/{run_id}/notice"): _DECIDES,
    # Intake enters what the applicant answers and sends. Only underwriters may waive a condition.
    ("POST", "/runs/{run_id}/offer"): _CREDIT | {Role.INTAKE},
    ("POST", "/runs/{run_id}/conditions/{code}"): _CREDIT | {Role.INTAKE},
    ("POST", "/applications/{application_id}/offer"): _CREDIT | {Role.INTAKE},
    ("POST", "/applications/{application_id}/conditions/{code}"): _CREDIT | {Role.INTAKE},
    # The gate's own form decides which of these roles may answer at it.
    ("GET", "/inbox"): _ALL,
    ("GET", "/inbox/events"): _ALL,
    ("GET", "/runs/{run_id}/hitl"): _ALL,
    ("POST", "/runs/{run_id}/hitl"): _DECIDES,
    ("POST", "/runs/{run_id}/hitl/preview"): _DECIDES,
    ("POST", "/runs/{run_id}/claim"): _DECIDES,
    ("DELETE", "/runs/{run_id}/claim"): _DECIDES,
    ("GET", "/reviews/agreement"): _REPORTS,
    ("GET", "/reviews/fraud-precision"): _REPORTS,
    ("GET", "/screenings"): frozenset({Role.COMPLIANCE}),
    ("GET", "/clearances"): frozenset({Role.COMPLIANCE}),
    ("POST", "/clearances/{clearance_id}/confirm"): frozenset({Role.COMPLIANCE}),
    ("GET", "/applications/{application_id}"): _DECIDES,
    ("GET", "/applications/{application_id}/decision"): _ALL,
    ("GET", "/applications/{application_id}/notice"): _DECIDES,
    ("DELETE", "/applications/{application_id}"): frozenset({Role.OPERATOR}),
    ("POST", "/applications/{application_id}/documents"): _CREDIT | {Role.INTAKE},
    # Resuming and what-ifs. The service lets only a senior underwriter start a fork that decides.
    ("POST", "/runs/{run_id}/resume"): _CREDIT | {Role.OPERATOR},
    ("POST", "/runs/{run_id}/cancel"): frozenset({Role.OPERATOR}),
    ("POST", "/runs/{run_id}/hold"): frozenset({Role.OPERATOR}),
    ("DELETE", "/runs/{run_id}/hold"): frozenset({Role.OPERATOR}),
    ("GET", "/runs/{run_id}/audit"): frozenset({Role.COMPLIANCE, Role.OPERATOR}),
    ("POST", "/batches"): frozenset({Role.OPERATOR}),
    ("GET", "/batches"): _ALL,
    ("GET", "/batches/{batch_id}"): _ALL,
    ("GET", "/batches/{batch_id}/events"): _ALL,
    ("GET", "/batches/{batch_id}/decisions"): _ALL,
    ("GET", "/batches/{batch_id}/rejects"): _ALL,
    ("GET", "/batches/{batch_id}/screenings"): frozenset({Role.COMPLIANCE}),
    ("POST", "/batches/{batch_id}/cancel"): frozenset({Role.OPERATOR}),
    ("POST", "/housekeeping"): frozenset({Role.OPERATOR}),
    ("GET", "/housekeeping"): frozenset({Role.OPERATOR}),
    ("GET", "/metrics"): frozenset({Role.OPERATOR}),
}
"""The roles that may call each route. Answers hold no personal data, with two exceptions.

The application is masked by role. For compliance, `GET /runs/{run_id}/hitl` gives the watchlist
entries of a request, and `GET /screenings` the ids of the entries that applicants resemble; so
does `GET /batches/{batch_id}/screenings`.
"""

SESSION = "/session"
OPEN = frozenset(
    {
        *("/health/live", "/health/ready", SESSION),
        *("/openapi.json", docs_page.PAGE, docs_page.PROGRAM, docs_page.STYLE, docs_page.ICON),
    }
)
"""The paths that probes and browsers need before they can show a key. They hold no case data."""

_STRANGER = Caller(name="", roles=(), proven=False, channel=Channel.HTTP)

_PLACES: tuple[tuple[re.Pattern[str], str, frozenset[Role]], ...] = tuple(
    (compile_path(path)[0], method, roles) for (method, path), roles in PERMISSIONS.items()
)
_EVENTS = compile_path("/runs/{run_id}/events")[0]


class AuthMiddleware:
    """Middleware that passes a request on with its caller, or refuses it.

    Raises UnauthenticatedError without a valid key, TooManyRequestsError beyond the rate of the
    key, and NotAllowedError when the roles of the caller do not suffice, or when there are no keys
    and the request is not of this machine. It answers 404 and 405 for routes that are not in
    `PERMISSIONS`.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, ring: KeyRing, tickets: Tickets, sessions: Sessions
    ) -> None:
        self._app = app
        self._settings = settings
        self._tickets = tickets
        self._sessions = sessions
        self._ring = ring
        self._rate = RateLimit(settings.rate_limit_per_minute)
        self._needs_keys = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller, key = self._identify(scope)
        refusal = _refusal(scope["method"], scope["path"], key.roles) if key else None
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {}).update(
            caller=caller,
            key_id=key.id if key else "",
            still_authorized=partial(self._still_authorized, key),
        )
        await self._app(scope, receive, send)

    def _identify(self, scope: Scope) -> tuple[Caller, ApiKey | None]:
        """The caller, and the key that proves it. The open paths and the page need no key."""
        headers, path = Headers(scope=scope), scope["path"]
        if not self._requires_keys():
            require_local_request(headers)
            return Caller(name="", roles=tuple(Role), proven=False, channel=Channel.HTTP), None
        if path in OPEN - {SESSION} or page_files.is_of_page(path):
            return _STRANGER, None
        if path == SESSION and scope["method"] == "POST":
            return _STRANGER, None  # signs in, whatever the session is that the browser still has
        key, is_of_page = self._key_of(scope, headers)
        if key is None and path == SESSION:
            return _STRANGER, None
        if key is None:
            raise UnauthenticatedError("this desk needs a valid API key")
        self._rate.take(key.id)
        return _holder(key, Channel.PAGE if is_of_page else key.channel), key

    def _key_of(self, scope: Scope, headers: Headers) -> tuple[ApiKey | None, bool]:
        """The valid key of a request, and whether a session of a browser names it.

        A header counts first, then the ticket of an event stream, then the session.
        """
        token, ticket, cookie = _token(headers), _ticket(scope), cookie_of(headers)
        if token:
            return self._ring.holder(token), False
        if ticket is not None:
            run = _EVENTS.match(scope["path"])
            named = self._tickets.key_id(ticket, run["run_id"]) if run else ""
            return self._ring.valid(named), False
        key = self._ring.valid(self._sessions.key_id(cookie)) if cookie else None
        if key is not None:
            self._sessions.require_token(scope["method"], headers, cookie)
        return key, key is not None

    def _requires_keys(self) -> bool:
        # A desk that has had keys stays closed: losing the key file must not open it.
        self._needs_keys = self._needs_keys or self._settings.has_api_keys
        return self._needs_keys

    def _still_authorized(self, key: ApiKey | None) -> bool:
        """Whether a caller with this key, or without one, would be let in now."""
        try:
            return self._ring.still_holds(key) if key else not self._requires_keys()
        except CreditDeskError:
            return False


def _refusal(method: str, path: str, roles: tuple[Role, ...]) -> Response | None:
    """The refusal of a request by its route. Raises NotAllowedError when the roles do not fit."""
    allowed = {verb: may for place, verb, may in _PLACES if place.match(path)}
    if not allowed:
        return plain(path, HTTPStatus.NOT_FOUND, {})
    if method not in allowed:
        return plain(path, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": allow(allowed)})
    if not allowed[method] & set(roles):
        wanted = ", ".join(sorted(role.value for role in allowed[method]))
        raise NotAllowedError(f"this takes another role: {wanted}")
    return None


def caller_of(request: Request) -> Caller:
    """The caller that the middleware has identified."""
    caller: Caller = request.state.caller
    return caller


def key_id_of(request: Request) -> str:
    """The id of the caller's key; empty on a desk without keys."""
    key_id: str = request.state.key_id
    return key_id


def authorization_of(request: Request) -> Callable[[], bool]:
    """A function that tells at any later time whether the caller is still authorized."""
    still_authorized: Callable[[], bool] = request.state.still_authorized
    return still_authorized


def _holder(key: ApiKey, channel: Channel) -> Caller:
    """The caller that a key proves."""
    return Caller(
        name=key.name,
        roles=key.roles,
        proven=True,
        channel=channel,
        principal=key.person.principal,
    )


def _token(headers: Headers) -> str:
    """The key in one of the two headers; `Authorization` counts first."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer":
        return token.strip()
    return headers.get("x-api-key", "").strip()


def _ticket(scope: Scope) -> str | None:
    """The ticket in the query of a request for an event stream."""
    if not is_stream(scope):
        return None
    given = parse_qs(scope["query_string"].decode("latin-1")).get("ticket")
    return given[0] if given else None
