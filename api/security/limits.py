"""What one caller may take: so many requests a minute, so many seconds a request."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import TooManyRequestsError, problem
from data.contracts.errors import UnavailableError

SECONDS = 30.0
"""How long a request may take that is not a stream."""


class RateLimit:
    """A bucket of tokens per name: full at first, refilled evenly, one request takes one.

    Kept in this process; several API processes each grant the whole rate.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> None:
        """Raises TooManyRequestsError with the seconds until the next one is welcome."""
        now = self._clock()
        tokens, since = self._buckets.get(name, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - since) * self._per_second)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            wait = math.ceil((1 - tokens) / self._per_second)
            raise TooManyRequestsError("too many requests with this key", retry_after=wait)
        self._buckets[name] = (tokens - 1, now)


class TimeLimit:
    """Middleware that gives a request up after a while, its slow body included. Not a stream."""

    def __init__(self, app: ASGIApp, seconds: float = SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith("/events"):
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as limit:
                await self._app(scope, receive, noting)
        except TimeoutError:
            if begun or not limit.expired():
                raise
            late = UnavailableError(f"the request took longer than {self._seconds:g} s")
            await problem(late, scope["path"])(scope, receive, send)
