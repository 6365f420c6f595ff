"""The door: who asks, and may they? Answered before a body is read.

Without keys only this machine is listened to (`api.app`), and everybody acts in every role,
unproven. As soon as there are keys, every request but the probes and the API's own page needs
one; what its holder may do stands in one table, and what is not in the table nobody may do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import NotAllowedError, UnauthenticatedError, answers, plain, problem
from api.security.keys import ApiKey, KeyRing
from api.security.limits import RateLimit
from api.security.loopback import require_local_request
from data.contracts.errors import CreditDeskError
from data.contracts.review import Channel, Role
from data.settings import Settings
from flows.service.requests import Caller

_CREDIT = frozenset({Role.UNDERWRITER, Role.SENIOR_UNDERWRITER})
_DECIDES = _CREDIT | {Role.INTAKE, Role.COMPLIANCE}
_EVERYBODY = frozenset(Role)

PERMISSIONS: Mapping[tuple[str, str], frozenset[Role]] = {
    ("POST", "/runs"): frozenset({Role.INTAKE}),
    ("GET", "/runs"): _EVERYBODY,
    ("GET", "/runs/{run_id}"): _EVERYBODY,
    ("GET", "/runs/{run_id}/events"): _EVERYBODY,
    ("GET", "/runs/{run_id}/state"): _EVERYBODY,
    ("GET", "/runs/{run_id}/memory"): _EVERYBODY,
    ("GET", "/runs/{run_id}/decision"): _EVERYBODY,
    ("GET", "/runs/{run_id}/checkpoints"): _EVERYBODY,
    ("GET", "/runs/{run_id}/checkpoints/{label}"): _EVERYBODY,
    ("GET", "/runs/{run_id}/checkpoints/{label}/{version}"): _EVERYBODY,
    ("GET", "/runs/{run_id}/diff"): _EVERYBODY,
    ("GET", "/workflow/graph.{form}"): _EVERYBODY,
    ("GET", "/runs/{run_id}/notice"): _DECIDES,
    # Which of them may answer at which gate is a matter of the gate's own form.
    ("GET", "/inbox"): _EVERYBODY,
    ("GET", "/runs/{run_id}/hitl"): _EVERYBODY,
    ("POST", "/runs/{run_id}/hitl"): _DECIDES,
    ("POST", "/runs/{run_id}/claim"): _DECIDES,
    ("DELETE", "/runs/{run_id}/claim"): _DECIDES,
    ("GET", "/applications/{application_id}"): _DECIDES,
    ("POST", "/applications/{application_id}/documents"): _CREDIT | {Role.INTAKE},
    # Going on and what-ifs; that a fork decides takes a senior underwriter (see the gateway).
    ("POST", "/runs/{run_id}/resume"): _CREDIT | {Role.OPERATOR},
    ("POST", "/runs/{run_id}/cancel"): frozenset({Role.OPERATOR}),
    ("POST", "/runs/{run_id}/hold"): frozenset({Role.OPERATOR}),
    ("DELETE", "/runs/{run_id}/hold"): frozenset({Role.OPERATOR}),
    ("GET", "/runs/{run_id}/audit"): frozenset({Role.COMPLIANCE, Role.OPERATOR}),
    ("POST", "/housekeeping"): frozenset({Role.OPERATOR}),
    ("GET", "/housekeeping"): frozenset({Role.OPERATOR}),
}
"""Who may do what, by method and route. Answers hold no personal data, but for the application,
which is masked by role."""

OPEN = frozenset(
    {
        *("/health/live", "/health/ready"),
        *("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"),
    }
)
"""What a probe or a browser needs before anybody can show a key. No data of any case."""

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`cdk_<id>_<secret>`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


_PLACES: tuple[tuple[re.Pattern[str], str, frozenset[Role]], ...] = tuple(
    (compile_path(path)[0], method, roles) for (method, path), roles in PERMISSIONS.items()
)


class AuthMiddleware:
    """Middleware that lets a request in with its caller, or answers it itself.

    401 without a valid key, 429 beyond the key's rate, 403 when the caller's roles may not, or
    when there are no keys and the request is not this machine's own; 404 and 405 for whatever is
    not in the table.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._ring = KeyRing(settings.keys_file)
        self._rate = RateLimit(settings.rate_limit_per_minute)
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            caller, key, refused = self._admit(scope)
        except CreditDeskError as error:
            refused = problem(error, scope["path"])
        if refused is not None:
            await refused(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["caller"], state["still_authorized"] = caller, partial(self._may_stay, key)
        await self._app(scope, receive, send)

    def _is_closed(self) -> bool:
        # What was closed once stays closed: a key file that is lost lets nobody in.
        self._closed = self._closed or self._settings.has_api_keys
        return self._closed

    def _may_stay(self, key: ApiKey | None) -> bool:
        """Whether whoever was let in with this key, or without any, still would be."""
        try:
            return self._ring.still_holds(key) if key else not self._is_closed()
        except CreditDeskError:
            return False

    def _admit(self, scope: Scope) -> tuple[Caller, ApiKey | None, Response | None]:
        headers = Headers(scope=scope)
        channel = _channel(headers)
        if not self._is_closed():
            require_local_request(headers)
            return Caller(name="", roles=tuple(Role), proven=False, channel=channel), None, None
        if scope["path"] in OPEN:
            return Caller(name="", roles=(), proven=False, channel=channel), None, None
        key = self._ring.holder(_token(headers))
        if key is None:
            raise UnauthenticatedError("this desk needs a valid API key")
        self._rate.take(key.id)
        caller = Caller(name=key.name, roles=key.roles, proven=True, channel=channel)
        return caller, key, _refused(scope["method"], scope["path"], key.roles)


def _refused(method: str, path: str, roles: tuple[Role, ...]) -> Response | None:
    allowed = {verb: may for place, verb, may in _PLACES if place.match(path)}
    if not allowed:
        return plain(path, HTTPStatus.NOT_FOUND, {})
    if method not in allowed:
        return plain(path, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ", ".join(sorted(allowed))})
    if not allowed[method] & set(roles):
        wanted = ", ".join(sorted(role.value for role in allowed[method]))
        raise NotAllowedError(f"this takes another role: {wanted}")
    return None


def document(app: FastAPI) -> None:
    """Say in the application's OpenAPI page what the door asks for and answers."""
    described = app.openapi
    app.openapi = lambda: _documented(described())  # type: ignore[method-assign]


def caller_of(request: Request) -> Caller:
    """Whom the door has let in."""
    caller: Caller = request.state.caller
    return caller


def authorization_of(request: Request) -> Callable[[], bool]:
    """What tells, at any later time, whether whom the door has let in may go on listening."""
    still_authorized: Callable[[], bool] = request.state.still_authorized
    return still_authorized


def _channel(headers: Headers) -> Channel:
    named = headers.get("x-desk-channel", "")
    return Channel(named) if named in {Channel.CLI, Channel.PAGE} else Channel.HTTP


def _token(headers: Headers) -> str:
    """The key in either header; the two are never mixed."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer":
        return token.strip()
    return headers.get("x-api-key", "").strip()


def _documented(page: dict[str, Any]) -> dict[str, Any]:
    """The page with what the door may answer; written into it once."""
    parts = page.setdefault("components", {})
    if "securitySchemes" in parts:
        return page
    parts["securitySchemes"] = _SCHEMES
    for path, operation in _operations(page):
        if path in OPEN:
            continue
        operation["security"] = [{name: []} for name in _SCHEMES]
        for status, answer in answers(401, 403, 429).items():
            operation["responses"].setdefault(
                str(status),
                {
                    "description": answer["description"],
                    "content": {
                        "application/problem+json": {
                            "schema": {"$ref": "#/components/schemas/ProblemDetails"}
                        }
                    },
                },
            )
    return page


def _operations(page: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in page["paths"].items():
        for operation in methods.values():
            yield path, operation
