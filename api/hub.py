"""One reader for many clients: the journals of all runs that somebody follows.

The journal is the truth; Prefect's event stream only says that it is time to look. A client is
a cursor on a log of ready-made frames, shared by all who follow the same run. Each log is read
by one task, so a thousand clients cost one query per event. A wake-up that never came delays an
event by a second: once a second one query asks how far all followed journals have come. As often
it is asked whether each client may still listen: a key may be revoked while a stream is open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self

import sqlalchemy as sa

from api.sse import to_frame
from data.contracts.errors import CreditDeskError, RecordNotFoundError, as_desk_error
from data.contracts.events import TERMINAL
from flows.runtime.ledger import journal, runs
from flows.runtime.ledger.database import Ledger

LOOK_SECONDS = 1.0
QUIET_LOOKS = 15
"""After so many looks every log is read anyway: a run may have ended without an event."""
PAGE = 500
FRAMES_PER_CHUNK = 200

_TERMINAL_FRAMES = tuple(f"\nevent: {kind.value}\n".encode() for kind in TERMINAL)

_log = logging.getLogger(__name__)


class Source(Protocol):
    """What the hub needs of the gateway."""

    @property
    def ledger(self) -> Ledger: ...

    def wakeups(self) -> AsyncIterator[str]:
        """Ids of runs whose journal has grown, as soon as that is known. Some may be lost."""


class Hub:
    """Streams the journals of followed runs. Use it as an async context manager."""

    def __init__(self, source: Source, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._source = source
        self._look_seconds = look_seconds
        self._logs: dict[str, _Log] = {}
        self._duties: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._duties = [
            asyncio.create_task(self._again_and_again(self._listen), name="hub listens"),
            asyncio.create_task(self._again_and_again(self._look), name="hub looks"),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = [*self._duties, *(log.reader for log in self._logs.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._logs.clear()

    @property
    def followed(self) -> frozenset[str]:
        """The runs that somebody follows at this moment."""
        return frozenset(self._logs)

    async def has_nothing_after(self, run_id: str, after: int) -> bool:
        """Whether a run has ended and a client with that last id has seen all of it.

        Raises RecordNotFoundError when there is no such run.
        """
        run = await self._source.ledger.read(runs.find, run_id)
        return run.status.has_ended and run.last_event_id <= after

    async def follow(
        self, run_id: str, after: int = 0, still_authorized: Callable[[], bool] = lambda: True
    ) -> AsyncGenerator[bytes, None]:
        """The frames of a run's journal after an id: all there are, then each as it comes.

        Ends after a terminal event that is the journal's last, or when the run has ended and
        everything was sent; and within a second after `still_authorized` has begun to say no.
        """
        log = self._log_of(run_id)
        follower = _Follower(still_authorized)
        log.followers.add(follower)
        position = after
        try:
            while not follower.is_disconnected:
                follower.woken.clear()  # before looking, so that no wake-up falls in between
                if position < len(log.frames):
                    chunk = log.frames[position : position + FRAMES_PER_CHUNK]
                    position += len(chunk)
                    yield b"".join(chunk)
                elif log.is_over:
                    return
                else:
                    await follower.woken.wait()
        finally:
            log.followers.discard(follower)
            if not log.followers and self._logs.get(run_id) is log:
                del self._logs[run_id]
                log.reader.cancel()

    def _log_of(self, run_id: str) -> _Log:
        log = self._logs.get(run_id)
        if log is None:
            log = self._logs[run_id] = _Log(self._source.ledger, run_id, self._look_seconds)
        return log

    async def _again_and_again(self, duty: Callable[[], Awaitable[None]]) -> None:
        """A duty outlives its failures: without it streams would be late for ever."""
        while True:
            try:
                await duty()
            except Exception as error:
                _log.warning("the hub goes on after %s", _short(error))
            await asyncio.sleep(self._look_seconds / 2)

    async def _listen(self) -> None:
        async for run_id in self._source.wakeups():
            if run_id in self._logs:
                self._logs[run_id].news.set()

    async def _look(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(self._look_seconds)
            looks += 1
            if not self._logs:
                continue
            for log in self._logs.values():
                log.disconnect()
            heads = await self._source.ledger.read(journal.heads, list(self._logs))
            for run_id, log in self._logs.items():
                if heads.get(run_id, 0) > len(log.frames) or looks % QUIET_LOOKS == 0:
                    log.news.set()


class _Follower:
    """One client of a log: its alarm clock, and whether it may go on."""

    def __init__(self, still_authorized: Callable[[], bool]) -> None:
        self.woken = asyncio.Event()
        self.is_disconnected = False
        self.still_authorized = still_authorized


class _Log:
    """The journal of one run from its first event, as frames, and the task that reads it."""

    def __init__(self, ledger: Ledger, run_id: str, retry_seconds: float) -> None:
        self._ledger = ledger
        self._run_id = run_id
        self._retry_seconds = retry_seconds
        self.frames: list[bytes] = []
        self.is_over = False
        self.followers: set[_Follower] = set()
        self.news = asyncio.Event()
        self.reader = asyncio.create_task(self._read_on(), name=f"hub reads {run_id}")

    def disconnect(self) -> None:
        """Let those go who may not listen any more."""
        for follower in self.followers:
            if not follower.still_authorized():
                follower.is_disconnected = True
                follower.woken.set()

    async def _read_on(self) -> None:
        while True:
            self.news.clear()
            try:
                await self._catch_up()
            except RecordNotFoundError:
                self.is_over = True  # purged while somebody followed it
            except Exception as error:
                _log.warning("reading run %s again: %s", self._run_id, _short(error))
                await asyncio.sleep(self._retry_seconds)
                continue
            for follower in self.followers:
                follower.woken.set()
            await self.news.wait()

    async def _catch_up(self) -> None:
        full = True
        while full:
            bodies, has_ended = await self._ledger.read(_news, self._run_id, len(self.frames))
            self.frames += [to_frame(body) for body in bodies]
            full = len(bodies) == PAGE
        is_terminal = bool(self.frames) and any(
            kind in self.frames[-1] for kind in _TERMINAL_FRAMES
        )
        self.is_over = is_terminal or has_ended


def _news(connection: sa.Connection, run_id: str, after: int) -> tuple[list[str], bool]:
    # The status first: whatever an ended run has written is there to be read afterwards.
    has_ended = runs.find(connection, run_id).status.has_ended
    return journal.read(connection, run_id, after=after, limit=PAGE), has_ended


def _short(error: Exception) -> str:
    return str(as_desk_error(error, CreditDeskError))
