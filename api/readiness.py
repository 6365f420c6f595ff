"""Whether the desk accepts work, asked at most once a second however many probes there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from api.schemas import Readiness
from flows.service.desk import DeskService

KNOWN_FOR_SECONDS = 1.0


class ReadinessProbe:
    """Asks the parts of the desk, and repeats the answer for a second."""

    def __init__(self, desk: DeskService, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: Readiness | None = None
        self._asked_at = 0.0

    async def check(self) -> Readiness:
        """The state of the desk, at most a second old."""
        # Probes that arrive while one is asking wait for its answer instead of asking too.
        async with self._lock:
            if self._known is None or self._clock() - self._asked_at >= KNOWN_FOR_SECONDS:
                checks = await self._desk.is_ready()
                self._known = Readiness(ready=all(checks.values()), checks=checks)
                self._asked_at = self._clock()
            return self._known
