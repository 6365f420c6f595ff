"""Whether the desk accepts work, asked at most once a second however many probes there are."""

from __future__ import annotations

import time
from collections.abc import Callable

from api.recent import Recent
from api.schemas import Readiness
from flows.service.desk import DeskService


class ReadinessProbe:
    """Asks the parts of the desk, and repeats the answer for a second."""

    def __init__(self, desk: DeskService, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._recent = Recent(self._ask, clock)

    async def check(self) -> Readiness:
        """The state of the desk, at most a second old."""
        return await self._recent.get()

    async def _ask(self) -> Readiness:
        checks = await self._desk.is_ready()
        return Readiness(ready=all(checks.values()), checks=checks)
