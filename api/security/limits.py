"""What one caller may use: requests a minute, seconds a request, open streams."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import TooManyRequestsError
from data.contracts.errors import UnavailableError

SECONDS = 30.0
"""How long a request may take that is not a stream."""
TRANSFER_SECONDS = 3600.0
"""How long a portfolio or its results may be under way."""
STREAM_RETRY_SECONDS = 5
"""After how many seconds a client may ask for a refused stream again."""


def is_stream(scope: Scope) -> bool:
    """Whether an HTTP request asks for an event stream, which may stay open."""
    path: str = scope["path"]
    return scope["method"] == "GET" and path.endswith("/events")


def takes_long(scope: Scope) -> bool:
    """Whether an HTTP request is a stream, or moves a whole portfolio or its results."""
    path: str = scope["path"]
    return (
        is_stream(scope)
        or (scope["method"] == "POST" and path == "/batches")
        or (scope["method"] == "GET" and _RESULTS.fullmatch(path) is not None)
    )


_RESULTS = re.compile(r"/batches/[^/]+/(decisions|rejects)")


class RateLimit:
    """A bucket of tokens per name: full at first, refilled evenly, one request takes one token.

    The buckets are kept in this process. Several API processes each grant the whole rate.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> None:
        """Raises TooManyRequestsError with the seconds until the bucket has a token again."""
        now = self._clock()
        tokens, since = self._buckets.get(name, (self._capacity, now))
        # The bucket was last looked at `since`; it has been refilled in the meantime.
        tokens = min(self._capacity, tokens + (now - since) * self._per_second)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            wait = math.ceil((1 - tokens) / self._per_second)
            raise TooManyRequestsError("too many requests with this key", retry_after=wait)
        self._buckets[name] = (tokens - 1, now)


class StreamLimit:
    """Middleware that bounds the open streams and transfers of one key and of this process.

    It counts from the request to the end of the answer, so that a client that leaves before its
    stream has begun is counted off too. Raises TooManyRequestsError beyond a bound.
    """

    def __init__(self, app: ASGIApp, per_key: int, per_process: int) -> None:
        self._app = app
        self._per_key = per_key
        self._per_process = per_process
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not takes_long(scope):
            await self._app(scope, receive, send)
            return
        key_id: str = scope["state"]["access"].key_id
        self._require_room(key_id)
        self._open[key_id] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]

    def _require_room(self, key_id: str) -> None:
        if self._open.total() >= self._per_process:
            raise TooManyRequestsError(
                f"this API process serves {self._per_process} streams at most",
                retry_after=STREAM_RETRY_SECONDS,
            )
        # Without keys all callers share the empty id, and only the bound of the process counts.
        if key_id and self._open[key_id] >= self._per_key:
            raise TooManyRequestsError(
                f"one key may have {self._per_key} streams open at most",
                retry_after=STREAM_RETRY_SECONDS,
            )


class TimeLimit:
    """Middleware that ends a request after a while, its slow body included. Not a stream.

    Raises UnavailableError then.
    """

    def __init__(self, app: ASGIApp, seconds: float = SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_stream(scope):
            await self._app(scope, receive, send)
            return
        seconds = TRANSFER_SECONDS if takes_long(scope) else self._seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                await self._app(scope, receive, send)
        except TimeoutError:
            if not limit.expired():  # a timeout of the application itself
                raise
            late = f"the request took longer than {seconds:g} s"
            raise UnavailableError(late) from None
