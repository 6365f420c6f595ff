"""When it is worth while to ask Prefect for the due runs of a pool."""

from __future__ import annotations

import asyncio
from contextlib import suppress

TIMED_LOOK_SECONDS = 15.0
"""The live stream loses events, and no event tells that the time of a scheduled run has come."""
_FIRST_PAUSE = 0.03
_LAST_PAUSE = 1.0


class Watch:
    """The moments to look at one pool: when told, shortly after, and every few seconds."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._pause = TIMED_LOOK_SECONDS

    def look(self) -> None:
        """Look once, now."""
        self._told.set()

    def hurry(self) -> None:
        """Look now and a few times more: an event may come before the commit it tells of."""
        self._pause = _FIRST_PAUSE
        self._told.set()

    def found(self) -> None:
        """The run was there: look no more often than usual."""
        self._pause = TIMED_LOOK_SECONDS

    async def moment(self) -> None:
        """Wait for the next moment to look."""
        pause = self._pause
        if pause > _LAST_PAUSE:
            self._pause = pause = TIMED_LOOK_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._told.wait()
            self._told.clear()
            return
        if pause <= _LAST_PAUSE:
            self._pause = 2 * pause
