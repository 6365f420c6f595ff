"""Routes whose body is read by the strict JSON reader, up to a size that the desk can hold."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.problems import MalformedJsonError, UnsupportedMediaTypeError
from data.contracts.errors import TooLargeError
from data.strict_json import StrictJsonError, parse_json

MAX_BYTES = 2 * 1024 * 1024
MAX_NODES = 10_000
"""How many values a body may hold, nested ones included. Each of them may cause several problems,
and the API lists problems on its event loop."""


class JsonRoute(APIRoute):
    """A route that reads and parses the body strictly before FastAPI sees it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if self.body_field is None:
                return await handle(request)
            _require_json(request)
            body = await _read(request)
            return await handle(_Read(request, body, parse(body) if body else None))

        return handle_strictly


async def read_json(request: Request) -> Any:
    """The value of a JSON body, for a route that also takes other media types.

    Raises the errors of a `JsonRoute`.
    """
    _require_json(request)
    return parse(await _read(request))


class _Read(Request):
    """A request whose body is already read and parsed."""

    def __init__(self, request: Request, body: bytes, parsed: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._bytes = body
        self._parsed = parsed

    async def body(self) -> bytes:
        return self._bytes

    async def json(self) -> Any:
        return self._parsed


def parse(body: bytes) -> Any:
    """The value of a JSON body.

    Raises MalformedJsonError, which says what is wrong, and TooLargeError for too many values.
    """
    try:
        parsed = parse_json(body)
    except StrictJsonError as error:
        raise MalformedJsonError(error.message) from None
    if _holds_more_than(parsed, MAX_NODES):
        raise TooLargeError(f"the body holds too many values: send at most {MAX_NODES:,}")
    return parsed


def _holds_more_than(parsed: Any, limit: int) -> bool:
    """Whether a value has more than `limit` values in it. Stops counting there."""
    containers, count = [[parsed]], 0
    while containers:
        parts = containers.pop()
        count += len(parts)
        if count > limit:
            return True
        for part in parts:
            if isinstance(part, dict):
                containers.append(list(part.values()))
            elif isinstance(part, list):
                containers.append(part)
    return False


def _require_json(request: Request) -> None:
    """Refuse other media types. A missing one is allowed unless a browser sent the request.

    A browser always sends an origin, and a page must not post without a media type.
    """
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named == "application/json" or (
        named.startswith("application/") and named.endswith("+json")
    ):
        return
    if named or "origin" in request.headers:
        raise UnsupportedMediaTypeError("send the body as application/json")


async def _read(request: Request) -> bytes:
    """Read the body. Stop as soon as it is too large, even if its header announced less."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BYTES:
        raise TooLargeError(_TOO_LARGE)
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BYTES:
            raise TooLargeError(_TOO_LARGE)
    return bytes(received)


_TOO_LARGE = f"the body is too large: send at most {MAX_BYTES // 1024 // 1024} MiB"
