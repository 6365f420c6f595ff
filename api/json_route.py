"""Bodies are JSON that everybody reads alike, of a size the desk can hold.

Python's reader accepts more than JSON: NaN, a key given twice, numbers beyond any float, half a
surrogate pair. Two readers would understand such a body differently, so it is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.problems import MalformedJsonError, UnsupportedMediaTypeError
from data.contracts.errors import TooLargeError

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 32


class JsonRoute(APIRoute):
    """A route whose body is read and parsed by our rules before FastAPI looks at it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if self.body_field is None:
                return await handle(request)
            _require_json(request)
            body = await _read(request)
            return await handle(_Read(request, body, parse(body) if body else None))

        return handle_strictly


class _Read(Request):
    """A request whose body has been read."""

    def __init__(self, request: Request, body: bytes, parsed: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._bytes = body
        self._parsed = parsed

    async def body(self) -> bytes:
        return self._bytes

    async def json(self) -> Any:
        return self._parsed


def parse(body: bytes) -> Any:
    """The value of a JSON text. Raises MalformedJsonError saying what is wrong with it."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedJsonError("the body is not UTF-8") from None
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_without_doubles,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise MalformedJsonError(
            f"the body is not JSON: line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise MalformedJsonError(_TOO_DEEP) from None
    except ValueError:
        raise MalformedJsonError("the body holds a number that is out of range") from None
    _require_shallow(parsed)
    if "\\u" in text:
        _require_whole_characters(parsed)
    return parsed


_TOO_DEEP = f"the body is nested deeper than {MAX_DEPTH} levels"


def _require_json(request: Request) -> None:
    """A media type may be missing, but not on a page's behalf: a browser always sends an origin."""
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named == "application/json" or (named.startswith("application/") and "+json" in named):
        return
    if named or "origin" in request.headers:
        raise UnsupportedMediaTypeError("send the body as application/json")


async def _read(request: Request) -> bytes:
    """The body, given up as soon as it is too large, whatever its header promised."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BYTES:
        raise TooLargeError(_TOO_LARGE)
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BYTES:
            raise TooLargeError(_TOO_LARGE)
    return bytes(received)


_TOO_LARGE = f"a body may have {MAX_BYTES // 1024 // 1024} MiB"


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJsonError("the body gives a key twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise MalformedJsonError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MalformedJsonError("the body holds a number that is out of range")
    return number


def _require_shallow(parsed: Any) -> None:
    level, depth = [parsed], 0
    while level := [part for one in level for part in _parts(one)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedJsonError(_TOO_DEEP)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _require_whole_characters(parsed: Any) -> None:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedJsonError("the body holds half of a surrogate pair") from None
