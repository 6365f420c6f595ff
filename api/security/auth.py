"""Who the caller is, and whether the caller may do this. Decided before a body is read.

Without keys the API answers requests of this machine only, and every caller acts in every role,
unproven. As soon as there are keys, every request needs one, or the cookie of a session, except the
probes, the API's own page and the way to sign in. `PERMISSIONS` says which roles may do what. A
route that is not in it is closed to all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from api import docs_page, page_files
from api.methods import allow
from api.problems import NotAllowedError, UnauthenticatedError, plain
from api.routes import schemas
from api.security.keys import ApiKey, KeyRing
from api.security.limits import RateLimit, is_stream
from api.security.loopback import require_local_request
from api.security.oidc import CALLBACK
from api.security.sessions import CSRF_HEADER, SAFE_METHODS, Session, Sessions
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
    ("POST", "/runs"): frozenset({Role.INTAKE}),
    ("POST", "/ag-ui"): _DECIDES | {Role.INTAKE},
    ("GET", "/runs"): _ALL,
    ("GET", "/runs/{run_id}"): _ALL,
    ("GET", "/runs/{run_id}/events"): _ALL,
    ("POST", "/runs/{run_id}/events/ticket"): _ALL,
    ("GET", "/runs/{run_id}/state"): _ALL,
    ("GET", "/runs/{run_id}/memory"): _ALL,
    ("GET", "/runs/{run_id}/case"): _ALL,
    ("GET", "/runs/{run_id}/policy"): _ALL,
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
    ("POST", "/runs/{run_id}/hitl/snooze"): _DECIDES,
    ("DELETE", "/runs/{run_id}/hitl/snooze"): _DECIDES,
    ("POST", "/runs/{run_id}/claim"): _DECIDES,
    ("DELETE", "/runs/{run_id}/claim"): _DECIDES,
    ("POST", "/runs/{run_id}/notes"): _DECIDES,
    ("GET", "/reviews/agreement"): _REPORTS,
    ("GET", "/reviews/fraud-precision"): _REPORTS,
    ("GET", "/workload"): _ALL,
    ("GET", "/decisions/days"): _ALL,
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
    ("GET", "/bundles"): _ALL,
    ("GET", "/bundles/{name}"): _ALL,
    ("POST", "/bundles"): frozenset({Role.SENIOR_UNDERWRITER, Role.OPERATOR}),
    ("DELETE", "/bundles/in-force"): frozenset({Role.SENIOR_UNDERWRITER, Role.OPERATOR}),
    ("GET", "/canaries"): _ALL,
    ("GET", "/canaries/{canary_id}"): _ALL,
    ("POST", "/canaries"): frozenset({Role.SENIOR_UNDERWRITER, Role.OPERATOR}),
    ("POST", "/canaries/{canary_id}/approve"): frozenset(
        {Role.SENIOR_UNDERWRITER, Role.COMPLIANCE}
    ),
    ("POST", "/canaries/{canary_id}/evaluation"): frozenset(
        {Role.SENIOR_UNDERWRITER, Role.OPERATOR}
    ),
    ("POST", "/canaries/{canary_id}/promote"): frozenset({Role.SENIOR_UNDERWRITER, Role.OPERATOR}),
    ("POST", "/canaries/{canary_id}/stop"): frozenset({Role.SENIOR_UNDERWRITER, Role.OPERATOR}),
    ("POST", "/housekeeping"): frozenset({Role.OPERATOR}),
    ("GET", "/housekeeping"): frozenset({Role.OPERATOR}),
    ("GET", "/metrics"): frozenset({Role.OPERATOR}),
    # A tool asks the routes above with its caller's key, so their roles count for it.
    ("POST", "/mcp"): _ALL,
}
"""The roles that may call each route. Answers hold no personal data, with two exceptions.

The application is masked by role. For compliance, `GET /runs/{run_id}/hitl` gives the watchlist
entries of a request, and `GET /screenings` the ids of the entries that applicants resemble; so
does `GET /batches/{batch_id}/screenings`.
"""

OPEN = frozenset(
    {
        *("/health/live", "/health/ready"),
        *("/openapi.json", docs_page.PAGE, docs_page.PROGRAM, docs_page.STYLE, docs_page.ICON),
        *schemas.PATHS,
    }
)
"""The paths that probes, browsers and developers need before they can show a key. They hold no case
data."""

SIGN_IN = frozenset({"/session", "/session/oidc", CALLBACK})
"""The paths by which people sign in and out. They answer callers that have not signed in yet."""

_PLACES: tuple[tuple[re.Pattern[str], str, frozenset[Role]], ...] = tuple(
    (compile_path(path)[0], method, roles) for (method, path), roles in PERMISSIONS.items()
)
_EVENTS = compile_path("/runs/{run_id}/events")[0]
_BEGIN = ("POST", "/session")
_Proof = TypeVar("_Proof")


@dataclass(frozen=True)
class Access:
    """One caller, by what it is known, and for how long that holds."""

    caller: Caller
    still_authorized: Callable[[], bool]
    key_id: str = ""
    """Requests and streams are counted under this name; empty on a desk without keys."""
    session: Session | None = None
    """The session whose cookie has let the caller in."""


class AuthMiddleware:
    """Middleware that passes a request on with its caller, or refuses it.

    Raises UnauthenticatedError without a valid key or session, TooManyRequestsError beyond the rate
    of the key, CsrfError for an unsafe request that shows a cookie without its token, and
    NotAllowedError when the roles of the caller do not suffice, or when there are no keys and the
    request is not of this machine. It answers 404 and 405 for routes that are not in `PERMISSIONS`,
    a browser with a page.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        ring: KeyRing,
        sessions: Sessions,
        tickets: Tickets,
    ) -> None:
        self._app = app
        self._settings = settings
        self._ring = ring
        self._sessions = sessions
        self._tickets = tickets
        self._rate = RateLimit(settings.rate_limit_per_minute)
        self._needs_keys = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._requires_keys() and _is_lost(scope):
            # Also before signing in: the inbox, to which that page leads, asks for it.
            await page_files.unknown_address()(scope, receive, send)
            return
        access = self._identify(scope)
        if access.key_id and scope["path"] not in SIGN_IN:
            refusal = _refusal(scope["method"], scope["path"], access.caller.roles)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        scope.setdefault("state", {})["access"] = access
        await self._app(scope, receive, send)

    def _identify(self, scope: Scope) -> Access:
        """The caller, and what proves it. The open paths and the page need no proof."""
        headers, path = Headers(scope=scope), scope["path"]
        if not self._requires_keys():
            require_local_request(headers)
            return Access(_unproven(tuple(Role)), lambda: not self._requires_keys())
        if path in OPEN or page_files.is_of_page(path):
            return Access(_unproven(()), lambda: True)
        access = self._by_key(scope, headers) or self._by_session(scope, headers)
        if access is None and path in SIGN_IN:
            return Access(_unproven(()), lambda: False)
        if access is None:
            raise UnauthenticatedError("this desk needs a valid API key, or a session")
        self._rate.take(access.key_id)
        return access

    def _by_key(self, scope: Scope, headers: Headers) -> Access | None:
        """By a key in a header, or for an event stream by a ticket.

        A key that is shown and not valid is refused: a cookie beside it does not count.
        """
        token, ticket = _token(headers), _ticket(scope)
        if not token and ticket is None:
            return None
        key = self._ring.holder(token) if token else self._of_ticket(scope, ticket or "")
        if key is None:
            raise UnauthenticatedError("this desk needs a valid API key")
        return Access(_holder(key), partial(_holds, self._ring.still_holds, key), key.id)

    def _of_ticket(self, scope: Scope, ticket: str) -> ApiKey | None:
        run = _EVENTS.match(scope["path"])
        return self._ring.valid(self._tickets.key_id(ticket, run["run_id"])) if run else None

    def _by_session(self, scope: Scope, headers: Headers) -> Access | None:
        """By a cookie. Signing in reads none: it begins another session in any case."""
        method = scope["method"]
        session = self._sessions.of(scope) if (method, scope["path"]) != _BEGIN else None
        if session is None:
            return None
        if method not in SAFE_METHODS:
            self._sessions.require_csrf(session, headers.get(CSRF_HEADER, ""))
        holds = partial(_holds, self._sessions.still_holds, session)
        return Access(session.caller, holds, session.counted_as, session)

    def _requires_keys(self) -> bool:
        # A desk that has had keys stays closed: losing the key file must not open it.
        self._needs_keys = self._needs_keys or self._settings.requires_identity
        return self._needs_keys


def _holds(still_holds: Callable[[_Proof], bool], proof: _Proof) -> bool:
    """Whether a key or a session would be let in now; not while the file cannot be read."""
    try:
        return still_holds(proof)
    except CreditDeskError:
        return False


def _unproven(roles: tuple[Role, ...]) -> Caller:
    return Caller(name="", roles=roles, proven=False, channel=Channel.HTTP)


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


def _is_lost(scope: Scope) -> bool:
    """Whether a person has opened an address of which the desk has neither a page nor a route."""
    path = scope["path"]
    if not page_files.is_opened_by_a_browser(scope):
        return False
    if path in OPEN or path in SIGN_IN or page_files.is_of_page(path):
        return False
    return not any(place.match(path) for place, _, _ in _PLACES)


def access_of(request: Request) -> Access:
    """What the middleware has found out about the caller."""
    access: Access = request.state.access
    return access


def _holder(key: ApiKey) -> Caller:
    """The caller that a key proves. The key fixes the channel too: a header proves nothing."""
    return Caller(
        name=key.name,
        roles=key.roles,
        proven=True,
        channel=key.channel,
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
