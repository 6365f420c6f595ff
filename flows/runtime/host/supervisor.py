"""One command, several processes: start them in order, keep them alive, end them all.

Children stay in the supervisor's process group and hold the other end of its lifeline, so
they end when it ends, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from data.contracts.errors import UnavailableError
from flows.runtime.host.parent_pipe import INSTANCE, LIFELINE_FD, READY_FD

START_SECONDS = 120.0
"""How long a role may take to get ready: the first start migrates a database."""
STOP_SECONDS = 4.5
"""From `stop()` to the last SIGKILL."""
_UPPER_SHARE = 0.55
"""How much of that the upper roles may take before the first one is told."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds between the death of a child and its restart; doubled from one death to the next."""
STEADY_SECONDS = 60.0
"""A child that lived this long is not in a crash loop, and its next restart is quick again."""
LOG_BYTES = 5_000_000
"""A log beyond this size is put aside when its role starts; one older log is kept."""

_log = logging.getLogger(__name__)


class RoleState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Role:
    """One process: its name, its command, and what it finds in its environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own environment."""


StateListener = Callable[[str, RoleState, str], None]
"""Called with the role's name, its new state and a detail for people."""


def _unheard(_role: str, _state: RoleState, _detail: str) -> None:
    """Nobody listens; the log has it."""


class Supervisor:
    """Starts roles one after the other and keeps each of them alive until it is stopped.

    A role says that it is ready through `lifeline.ready`. Its output goes to
    `<folder>/logs/<name>.log`. Use it as an async context manager, or call `start` and `stop`;
    to give up a start that is under way, cancel the task it runs in.
    """

    def __init__(
        self,
        folder: Path,
        roles: Sequence[Role],
        on_state: StateListener = _unheard,
        *,
        start_seconds: float = START_SECONDS,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        self._logs = folder / "logs"
        self._roles = tuple(roles)
        self._on_state = on_state
        self._start_seconds = start_seconds
        self._first_delay = first_delay
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._lifeline: tuple[int, int] | None = None
        self._instance = ""
        self._one_stop = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start every role, each when the one before it is ready.

        Raises:
            UnavailableError: a role ended or was silent for too long; all are stopped again.
        """
        self._lifeline = os.pipe()
        self._instance = uuid4().hex[:12]
        try:
            for role in self._roles:
                self._tell(role, RoleState.STARTING)
                trouble = await self._launch(role)
                if trouble:
                    self._tell(role, RoleState.FAILED, trouble)
                    raise UnavailableError(f"{role.name} {trouble}; see {self.log_of(role.name)}")
                self._keepers[role.name] = asyncio.create_task(self._keep(role))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all roles, the stubborn ones by force, within five seconds.

        The first role is what the others stand on: they are told together, and it is told when
        they have ended, or have used up their part of the time.
        """
        async with self._one_stop:
            started = [
                role
                for role in reversed(self._roles)
                if role.name in self._keepers or role.name in self._children
            ]
            for keeper in self._keepers.values():
                keeper.cancel()
            await asyncio.gather(*self._keepers.values(), return_exceptions=True)
            self._keepers.clear()
            await self._end_children()
            for role in started:
                self._tell(role, RoleState.STOPPED)
            if self._lifeline is not None:
                for fd in self._lifeline:
                    os.close(fd)
                self._lifeline = None

    def log_of(self, name: str) -> Path:
        """Where the output of a role goes."""
        return self._logs / f"{name}.log"

    async def _end_children(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        left = [role.name for role in reversed(self._roles) if role.name in self._children]
        ground = self._roles[0].name
        upper = [name for name in left if name != ground]
        for storey, seconds in ((upper, _UPPER_SHARE * STOP_SECONDS), ([ground], STOP_SECONDS)):
            ending = [self._children[name] for name in storey if name in self._children]
            for child in ending:
                _signal(child, signal.SIGTERM)
            share = min(seconds, deadline - time.monotonic())
            await asyncio.gather(*(_ended(child, share) for child in ending))
        for name in left:
            child = self._children.pop(name)
            if not await _ended(child, deadline - time.monotonic()):
                _log.warning("%s did not end in time and is killed", name)
                _signal(child, signal.SIGKILL)
                await child.wait()

    async def _keep(self, role: Role) -> None:
        """Restart a role whenever it dies, until cancelled."""
        delay = self._first_delay
        born = time.monotonic()
        while True:
            trouble = _ending(await self._children[role.name].wait())
            if time.monotonic() - born >= STEADY_SECONDS:
                delay = self._first_delay
            while trouble:
                self._tell(role, RoleState.RESTARTING, f"{trouble}; again in {delay:g} s")
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)
                born = time.monotonic()
                trouble = await self._launch(role)

    async def _launch(self, role: Role) -> str:
        """Start one process and wait until it is ready; otherwise what went wrong with it."""
        ready_read, ready_write = os.pipe()
        try:
            try:
                child = await self._spawn(role, ready_write)
            except OSError as error:
                return f"cannot be started: {error.strerror}"
            finally:
                # Ours has to go, or a child that dies would never close the pipe.
                os.close(ready_write)
            self._children[role.name] = child
            trouble = await self._first_word(child, ready_read)
        finally:
            os.close(ready_read)
        if trouble:
            del self._children[role.name]
        else:
            self._tell(role, RoleState.READY, f"pid {child.pid}")
        return trouble

    async def _spawn(self, role: Role, ready_fd: int) -> asyncio.subprocess.Process:
        assert self._lifeline is not None
        lifeline_fd, _held_open = self._lifeline
        ours = {
            LIFELINE_FD: str(lifeline_fd),
            READY_FD: str(ready_fd),
            INSTANCE: self._instance,
        }
        output = await asyncio.to_thread(_open_log, self.log_of(role.name))
        try:
            return await asyncio.create_subprocess_exec(
                *role.argv,
                env={**os.environ, **role.env, **ours},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lifeline_fd, ready_fd),
            )
        finally:
            os.close(output)

    async def _first_word(self, child: asyncio.subprocess.Process, ready_fd: int) -> str:
        """Wait until a child is ready; one that is not in time is killed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._start_seconds):
                return "" if await _one_byte(ready_fd) else _ending(await child.wait())
        _signal(child, signal.SIGKILL)
        await child.wait()
        return f"was not ready after {self._start_seconds:g} s"

    def _tell(self, role: Role, state: RoleState, detail: str = "") -> None:
        level = logging.WARNING if state is RoleState.RESTARTING else logging.INFO
        _log.log(level, "%s is %s %s", role.name, state, detail)
        self._on_state(role.name, state, detail)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with code {code}"


def _signal(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)


async def _ended(child: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether a process has ended, or does so within that time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(seconds, 0)):
            await child.wait()
    return child.returncode is not None


async def _one_byte(pipe: int) -> bool:
    """Wait on the reading end of a pipe: true for a byte, false when it ends without one."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(pipe, readable.set)
    try:
        await readable.wait()
        return os.read(pipe, 1) != b""
    finally:
        loop.remove_reader(pipe)


def _open_log(path: Path) -> int:
    """Open a log for appending, after putting a long one aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
