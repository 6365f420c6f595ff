"""One reader for many clients: the hub reads the journal of each followed run once for all.

A batch has a journal, too, and is followed in the same way under its own id.

The journal is the truth. Prefect's event stream only tells the hub when to read. A client is a
cursor on a log of ready-made frames, which all clients of the same run share. One task reads each
log, so a thousand clients cost one query per event. A lost wake-up delays an event by a second at
most: once a second the hub asks in one query how far all followed journals have come. It also asks
once a second whether each client is still authorized, because a key may be revoked while a stream
is open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Protocol, Self

import sqlalchemy as sa

from api.problems import MalformedRequestError
from api.sse import to_frame
from data.contracts.errors import CreditDeskError, RecordNotFoundError, as_desk_error
from data.contracts.events import TERMINAL
from flows.runtime.ledger import journal
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Journaled

LOOK_SECONDS = 1.0
QUIET_LOOKS = 15
"""After so many looks the hub reads every log: a run may have ended without an event."""
PAGE = 500
FRAMES_PER_CHUNK = 200

_TERMINAL_FRAMES = tuple(f"\nevent: {kind.value}\n".encode() for kind in TERMINAL)

_log = logging.getLogger(__name__)


class Source(Protocol):
    """The part of the desk that the hub needs."""

    @property
    def ledger(self) -> Ledger: ...

    def wakeups(self) -> AsyncIterator[str]:
        """Ids of runs whose journal has grown, as soon as the desk knows. Some may be lost."""


class Hub:
    """Streams the journals of followed runs. Use it as an async context manager."""

    def __init__(self, source: Source, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._source = source
        self._look_seconds = look_seconds
        self._logs: dict[str, _Log] = {}
        self._duties: list[asyncio.Task[None]] = []
        self.clients = 0
        """How many streams are open now. Other threads may read it."""

    async def __aenter__(self) -> Self:
        self._duties = [
            asyncio.create_task(self._repeat(self._listen), name="hub listens"),
            asyncio.create_task(self._repeat(self._look), name="hub looks"),
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

    def disconnect_all(self) -> None:
        """End all streams and waits: the server stops. Clients come back, and lose nothing."""
        for log in self._logs.values():
            log.disconnect(lambda _: True)

    @property
    def followed(self) -> frozenset[str]:
        """The runs that at least one client follows now."""
        return frozenset(self._logs)

    async def has_nothing_after(
        self, subject_id: str, after: int, kind: Journaled = Journaled.RUN
    ) -> bool:
        """Whether a run or batch has ended and a client with that last id has seen all of it.

        Raises RecordNotFoundError when there is none of this kind, and MalformedRequestError when
        the journal has no event with that id yet.
        """
        last, has_ended = await self._source.ledger.read(journal.standing, subject_id, kind)
        if after > last:
            raise MalformedRequestError(f"the last event of this {kind} has the id {last}")
        return has_ended and last == after

    async def follow(
        self, run_id: str, after: int = 0, still_authorized: Callable[[], bool] = lambda: True
    ) -> AsyncGenerator[bytes, None]:
        """The frames of a run's journal after an id: all there are, then each new one.

        Ends after a terminal event that is the journal's last, or when the run has ended and
        everything was sent. Ends also within a second after `still_authorized` has become false.
        """
        log = self._log_of(run_id)
        follower = _Follower(still_authorized)
        log.followers.add(follower)
        self.clients += 1
        position = after
        try:
            while not follower.is_disconnected:
                # Clear before looking: a wake-up between looking and waiting would be lost.
                follower.woken.clear()
                if position < len(log.frames):
                    chunk = log.frames[position : position + FRAMES_PER_CHUNK]
                    position += len(chunk)
                    yield b"".join(chunk)
                elif log.is_over:
                    return
                else:
                    await follower.woken.wait()
        finally:
            self.clients -= 1
            log.followers.discard(follower)
            # Another log may have taken its place while this generator was being closed.
            if not log.followers and self._logs.get(run_id) is log:
                del self._logs[run_id]
                log.reader.cancel()

    async def until_over(self, run_id: str, seconds: float) -> None:
        """Wait until a run has ended, for so many seconds at most.

        Raises RecordNotFoundError when there is no such run.
        """
        await self.has_nothing_after(run_id, 0)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), aclosing(self.follow(run_id)) as frames:
                async for _ in frames:
                    pass

    def _log_of(self, run_id: str) -> _Log:
        log = self._logs.get(run_id)
        if log is None:
            log = self._logs[run_id] = _Log(self._source.ledger, run_id, self._look_seconds)
        return log

    async def _repeat(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Start a duty again whenever it fails: without it every stream would be late."""
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
                log.disconnect(lambda follower: not follower.still_authorized())
            heads = await self._source.ledger.read(journal.heads, list(self._logs))
            # The logs may have changed during the query: a log without a head is read next time.
            for run_id, log in self._logs.items():
                if heads.get(run_id, 0) > len(log.frames) or looks % QUIET_LOOKS == 0:
                    log.news.set()


class _Follower:
    """One client of a log: its wake-up event, and whether it may go on."""

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

    def disconnect(self, applies: Callable[[_Follower], bool]) -> None:
        """End the streams of the clients to which this applies."""
        for follower in self.followers:
            if applies(follower):
                follower.is_disconnected = True
                follower.woken.set()

    async def _read_on(self) -> None:
        while True:
            # Clear before reading: news that arrives during the query causes another reading.
            self.news.clear()
            try:
                await self._catch_up()
            except RecordNotFoundError:
                self.is_over = True  # the run was purged while clients followed it
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
        # A terminal event ends the stream only while it is the last: a failed run may be resumed.
        is_terminal = bool(self.frames) and any(
            kind in self.frames[-1] for kind in _TERMINAL_FRAMES
        )
        self.is_over = is_terminal or has_ended


def _news(connection: sa.Connection, run_id: str, after: int) -> tuple[list[str], bool]:
    # The status before the journal: an ended run writes no more, so the reading is complete.
    _, has_ended = journal.standing(connection, run_id)
    return journal.read(connection, run_id, after=after, limit=PAGE), has_ended


def _short(error: Exception) -> str:
    return str(as_desk_error(error, CreditDeskError))
