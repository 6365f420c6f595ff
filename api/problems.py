"""Every error as `application/problem+json`, with its status and its code.

One table says which class of error becomes which status. An error that is not in the table is a
fault of the desk: the API answers 500 without details, and logs the class and the place of the
error. It drops the texts of foreign errors, because they may hold a value of the caller.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sse_starlette.sse import SendTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.methods import allow, allowed_methods
from api.page_files import is_opened_by_a_browser, unknown_address
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
    ExtraMissingError,
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
MOST_FIELDS = 20
"""How many problems of fields one answer lists. It counts the others."""

_log = logging.getLogger(__name__)


class MalformedRequestError(CreditDeskError):
    """A header or parameter that the API cannot read."""

    code = "malformed_request"

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class MalformedJsonError(MalformedRequestError):
    """A body that is not JSON, or that two programs could read differently."""

    code = "malformed_json"


class UnsupportedMediaTypeError(CreditDeskError):
    code = "unsupported_media_type"


class UnauthenticatedError(CreditDeskError):
    """The request does not show who the caller is."""

    code = "unauthenticated"


class NotAllowedError(CreditDeskError):
    """The caller is known, but has no role that may do this."""

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
    ExtraMissingError: HTTPStatus.NOT_IMPLEMENTED,
    RefusedByPrefectError: HTTPStatus.BAD_GATEWAY,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: CreditDeskError) -> HTTPStatus:
    """The status of the nearest class in the table."""
    found = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def header(name: str, description: str, schema: str = "string") -> dict[str, Any]:
    """For a route's `responses`: the answer carries this header."""
    return {name: {"description": description, "schema": {"type": schema}}}


LOCATION = header("Location", "The address of the run.")
RETRY_AFTER = header("Retry-After", "Seconds until another try makes sense.", "integer")
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: header("WWW-Authenticate", "How to show a key."),
    HTTPStatus.TOO_MANY_REQUESTS: RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: RETRY_AFTER,
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the route may answer with these errors."""
    return {
        status: {
            "model": ProblemDetails,
            "description": HTTPStatus(status).phrase,
            "headers": _HEADERS.get(HTTPStatus(status), {}),
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Let the application answer every error in this form."""
    app.add_exception_handler(CreditDeskError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Unexpected)


def problem(error: CreditDeskError, path: str) -> Response:
    """The answer for an error that is in the table."""
    status = status_of(error)
    fields, count = _fields(error)
    return _problem(path, status, error.code, str(error), fields, count, _headers_of(error, status))


def plain(path: str, status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    """The answer for a status that needs no details, such as 404 for an unknown address."""
    return _problem(path, status, status.name.lower(), status.phrase, headers=headers)


class Unexpected:
    """Middleware that answers the errors that no handler has answered.

    Those are the errors of the middleware inside of it, and unexpected ones, which it logs without
    their text.
    """

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
            method, path = scope["method"], scope["path"]
            if begun:  # an answer that has begun cannot become another one
                _log_unexpected(method, path, error)
            else:
                await _answer(method, path, error)(scope, receive, send)


async def _known(request: Request, error: Exception) -> Response:
    return _answer(request.method, request.url.path, error)


def _answer(method: str, path: str, error: Exception) -> Response:
    """The answer for any error. It logs an error that is a fault of the desk."""
    fault = HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, CreditDeskError) and status_of(error) is not fault:
        return problem(error, path)
    _log_unexpected(method, path, error)
    return _internal(path)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    fields = [
        FieldProblem(pointer=_pointer(item["loc"]), code=item["type"], message=item["msg"])
        for item in found[:MOST_FIELDS]
    ]
    first = fields[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return _problem(
        request.url.path,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "contract_violation",
        f"{first.pointer or '/'}: {first.message}{more}",
        fields,
        len(found),
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, headers = HTTPStatus(error.status_code), dict(error.headers or {})
    if status is HTTPStatus.NOT_FOUND and is_opened_by_a_browser(request.scope):
        return unknown_address()
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names the methods of one route only, and an address may have several.
        headers["Allow"] = allow(allowed_methods(request))
    return plain(request.url.path, status, headers)


def _headers_of(error: CreditDeskError, status: HTTPStatus) -> dict[str, str]:
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.retry_after)}
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="credit-desk"'}
    return {"Retry-After": "1"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}


def _fields(error: CreditDeskError) -> tuple[list[FieldProblem], int]:
    """The first problems of fields in an error, and how many there are in all."""
    if isinstance(error, ContractViolationError):
        first = [
            FieldProblem(pointer=found.pointer, code=found.code, message=found.message)
            for found in error.problems[:MOST_FIELDS]
        ]
        return first, len(error.problems)
    if isinstance(error, AnswerRejectedError):
        pointer = f"/{error.field}" if error.field else ""
        return [FieldProblem(pointer=pointer, code=error.code, message=error.message)], 1
    if isinstance(error, MalformedRequestError) and error.pointer:
        return [FieldProblem(pointer=error.pointer, code=error.code, message=error.message)], 1
    return [], 0


def _pointer(place: Sequence[int | str]) -> str:
    """The pointer of a field, in the form that `FieldProblem` describes."""
    if place and place[0] == "header":  # only declared headers are checked: their names are ours
        return "".join(f"/{part}" for part in place)
    parts = place[1:] if place and place[0] == "body" else place
    return "".join(f"/{named(part)}" for part in parts)


def place_of(path: str) -> str:
    """A path without the parts that a caller may have made up: it may hold any text."""
    return "/".join(part if _is_harmless(part) else "?" for part in path.split("/"))


def _is_harmless(part: str) -> bool:
    return _STEP.fullmatch(part) is not None and not has_shape_of_ssn(part)


_STEP = re.compile(
    r"|[A-Za-z_][A-Za-z0-9._-]{0,63}|[0-9]{1,4}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
"""Nothing, a name or slug, a version, or an id that the desk has made."""


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
    count: int = 0,
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
        error_count=count,
    )
    shown = problem.model_dump(mode="json", exclude=None if fields else {"errors", "error_count"})
    return JSONResponse(shown, status, headers=headers, media_type=MEDIA_TYPE)


def _log_unexpected(method: str, path: str, error: Exception) -> None:
    failed = as_desk_error(error, CreditDeskError)
    _log.error("%s %s failed: %s", method, place_of(path), failed)
