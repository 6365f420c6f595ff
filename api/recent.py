"""An answer that is asked for at most once a second, however many callers there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

KNOWN_FOR_SECONDS = 1.0

T = TypeVar("T")


class Recent(Generic[T]):
    """Asks, and repeats the answer for a second. An error is not kept."""

    def __init__(
        self, ask: Callable[[], Awaitable[T]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: tuple[T, float] | None = None

    async def get(self) -> T:
        """The answer, at most a second old."""
        # Callers that arrive while one is asking wait for its answer instead of asking too.
        async with self._lock:
            if self._known is None or self._clock() - self._known[1] >= KNOWN_FOR_SECONDS:
                self._known = await self._ask(), self._clock()
            return self._known[0]
