"""Every error as `application/problem+json`: which status, which code, and nothing typed in.

One table says which class of error becomes which status. What is not in it is our fault: it is
answered by 500 without details, and logged by class and place. Texts of foreign errors are
dropped, since they may hold the value they stumbled over.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from sse_starlette.sse import SendTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.schemas import FieldProblem, ProblemDetails
from data.contracts.errors import (
    AlreadyAnsweredError,
    AnswerRejectedError,
    AuthorityError,
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointSchemaError,
    ClaimedError,
    ConflictError,
    ContractViolationError,
    CreditDeskError,
    GateNotFoundError,
    InvalidTransitionError,
    RecordCorruptError,
    RecordNotFoundError,
    RefusedByPrefectError,
    ReviewTimeoutError,
    StaleRequestError,
    TooLargeError,
    UnavailableError,
    as_desk_error,
    named,
)
from data.contracts.ssn import has_shape_of_ssn

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


class MalformedRequestError(CreditDeskError):
    """A header or parameter that cannot be read."""

    code = "malformed_request"


class MalformedJsonError(MalformedRequestError):
    """A body that is not JSON, or not JSON that everybody reads alike."""

    code = "malformed_json"


class UnsupportedMediaTypeError(CreditDeskError):
    code = "unsupported_media_type"


class UnauthenticatedError(CreditDeskError):
    """Nobody who is known, as far as the request shows."""

    code = "unauthenticated"


class NotAllowedError(CreditDeskError):
    """Somebody who is known, in no role that may do this."""

    code = "not_allowed"


class TooManyRequestsError(CreditDeskError):
    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


STATUS: Mapping[type[CreditDeskError], HTTPStatus] = {
    MalformedRequestError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    NotAllowedError: HTTPStatus.FORBIDDEN,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    AuthorityError: HTTPStatus.FORBIDDEN,
    RecordNotFoundError: HTTPStatus.NOT_FOUND,
    GateNotFoundError: HTTPStatus.NOT_FOUND,
    CheckpointNotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    AlreadyAnsweredError: HTTPStatus.CONFLICT,
    StaleRequestError: HTTPStatus.CONFLICT,
    ClaimedError: HTTPStatus.CONFLICT,
    InvalidTransitionError: HTTPStatus.CONFLICT,
    CheckpointSchemaError: HTTPStatus.CONFLICT,
    CheckpointCorruptError: HTTPStatus.CONFLICT,
    ReviewTimeoutError: HTTPStatus.GONE,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ContractViolationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AnswerRejectedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RecordCorruptError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusedByPrefectError: HTTPStatus.BAD_GATEWAY,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: CreditDeskError) -> HTTPStatus:
    """The status of the nearest class in the table."""
    found = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: these errors are to be expected."""
    return {
        status: {"model": ProblemDetails, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


def header(name: str, description: str, schema: str = "string") -> dict[str, Any]:
    """For a route's `responses`: an answer carries this header."""
    return {name: {"description": description, "schema": {"type": schema}}}


LOCATION = header("Location", "Where to read the run that was started or found.")


def install(app: FastAPI) -> None:
    """Let the application answer every error in this form, and say so in its OpenAPI page."""
    app.add_exception_handler(CreditDeskError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Unexpected)
    app.openapi = lambda: _documented(app)  # type: ignore[method-assign]


def problem(error: CreditDeskError, path: str) -> Response:
    """A foreseen error as an answer; for middleware too, which no handler stands behind."""
    status = status_of(error)
    return _problem(
        path, status, error.code, str(error), _fields(error), _headers_of(error, status)
    )


def plain(path: str, status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    """A status that says all there is to say, such as 404 for an address that is none."""
    return _problem(path, status, status.name.lower(), status.phrase, headers=headers)


class Unexpected:
    """Outermost of our own: answers what nobody foresaw, and logs it without its text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except SendTimeoutError:
            _log.info("%s: a client that does not read was cut off", place_of(scope["path"]))
        except Exception as error:
            _log_unexpected(scope["method"], scope["path"], error)
            if not begun:
                await _internal(scope["path"])(scope, receive, send)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, CreditDeskError)
    status = status_of(error)
    path = request.url.path
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log_unexpected(request.method, path, error)
        return _internal(path)
    return problem(error, path)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [
        FieldProblem(pointer=_pointer(found["loc"]), code=found["type"], message=found["msg"])
        for found in error.errors()
    ]
    first = fields[0]
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    return _problem(
        request.url.path,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "contract_violation",
        f"{first.pointer or '/'}: {first.message}{more}",
        fields,
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return plain(request.url.path, HTTPStatus(error.status_code), error.headers or {})


def _headers_of(error: CreditDeskError, status: HTTPStatus) -> dict[str, str]:
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.retry_after)}
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="credit-desk"'}
    return {"Retry-After": "1"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}


def _fields(error: CreditDeskError) -> list[FieldProblem]:
    if isinstance(error, ContractViolationError):
        return [
            FieldProblem(pointer=found.pointer, code=found.code, message=found.message)
            for found in error.problems
        ]
    if isinstance(error, AnswerRejectedError):
        pointer = f"/{error.field}" if error.field else ""
        return [FieldProblem(pointer=pointer, code=error.code, message=error.message)]
    return []


def _pointer(place: Sequence[int | str]) -> str:
    """The JSON pointer into the body; a parameter is named with where it stands."""
    parts = place[1:] if place and place[0] == "body" else place
    return "".join(f"/{named(part)}" for part in parts)


def place_of(path: str) -> str:
    """A path as it may be answered and logged: anybody may write anything into an address."""
    return "/".join(part if _may_be_told(part) else "?" for part in path.split("/"))


def _may_be_told(part: str) -> bool:
    return _STEP.fullmatch(part) is not None and not has_shape_of_ssn(part)


_STEP = re.compile(
    r"|[A-Za-z_][A-Za-z0-9._-]{0,63}|[0-9]{1,4}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
"""Nothing, a name or slug, a version, an id of ours."""


def _internal(path: str) -> Response:
    return _problem(
        path, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The desk's log has the cause."
    )


def _problem(
    path: str,
    status: HTTPStatus,
    code: str,
    detail: str,
    fields: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = ProblemDetails(
        type=f"urn:credit-desk:problem:{code}",
        title=status.phrase,
        status=status,
        detail=detail,
        code=code,
        instance=place_of(path),
        errors=tuple(fields),
    )
    shown = problem.model_dump(mode="json", exclude=None if fields else {"errors"})
    return JSONResponse(shown, status, headers=headers, media_type=MEDIA_TYPE)


def _log_unexpected(method: str, path: str, error: Exception) -> None:
    failed = as_desk_error(error, CreditDeskError)
    _log.error("%s %s failed: %s", method, place_of(path), failed)


def _documented(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI page, in which errors have their own media type."""
    if app.openapi_schema is None:
        page = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        for methods in page["paths"].values():
            for operation in methods.values():
                _correct(operation["responses"])
        for unused in ("HTTPValidationError", "ValidationError"):
            page["components"]["schemas"].pop(unused, None)
        app.openapi_schema = page
    return app.openapi_schema


def _correct(responses: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    for status, response in responses.items():
        if int(status) >= HTTPStatus.BAD_REQUEST and not _is_readiness(response):
            response["content"] = {MEDIA_TYPE: problem}
        if stream := response.get("content", {}).get("text/event-stream"):
            stream["schema"].pop("type", None)  # FastAPI takes whatever is no JSON for a string


def _is_readiness(response: dict[str, Any]) -> bool:
    """The one answer of 503 that is no problem but a report."""
    return "Readiness" in str(response.get("content", ""))
