"""Several processes under one command: start them in order, restart those that die, end all.

Each child holds the reading end of the supervisor's parent pipe. Children therefore end when
the supervisor ends, even when it is killed. They also stay in its process group.
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
from flows.runtime.host.parent_pipe import INSTANCE, PARENT_PIPE_FD, READY_FD

START_SECONDS = 120.0
"""How long a role may take to get ready. The first start migrates a database."""
STOP_SECONDS = 4.5
"""From `stop()` to the last SIGKILL."""
_DEPENDENTS_SHARE = 0.55
"""The part of that time after which the first role gets its SIGTERM in any case."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds between the death of a child and its restart. Every further death doubles them."""
STEADY_SECONDS = 60.0
"""A child that lived this long is not in a crash loop. Its next restart is quick again."""
LOG_BYTES = 5_000_000
"""A larger log is renamed when its role starts. The supervisor keeps one older log."""

_log = logging.getLogger(__name__)


class RoleState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Role:
    """A process to start: its name, its command and its environment variables."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own environment."""


StateListener = Callable[[str, RoleState, str], None]
"""Called with the role's name, its new state and a detail for people."""


def _ignore(_role: str, _state: RoleState, _detail: str) -> None:
    """The listener by default. The supervisor also logs every state."""


class Supervisor:
    """Starts roles one after the other, and restarts a role that dies, until `stop`.

    A role calls `parent_pipe.notify_ready` when it has started its work. Its output goes to
    `<folder>/logs/<name>.log`. Use the supervisor as an async context manager, or call `start`
    and `stop`. To abort a start, cancel the task in which it runs.
    """

    def __init__(
        self,
        folder: Path,
        roles: Sequence[Role],
        on_state: StateListener = _ignore,
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
        self._parent_pipe: tuple[int, int] | None = None
        """Its reading and its writing end. Only this process holds the writing end."""
        self._instance = ""
        self._stopping = asyncio.Lock()

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
        """Start every role, each as soon as the role before it is ready.

        Raises:
            UnavailableError: a role ended, or was not ready in time. The others are stopped.
        """
        self._parent_pipe = os.pipe()
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
            # A cancelled start too: the children that already run must not stay behind.
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all roles within five seconds, and kill those that do not end by themselves.

        The other roles depend on the first one. They get their SIGTERM together. The first role
        gets its SIGTERM when they have ended, or when their part of the time is over.
        """
        # A signal handler and `__aexit__` may both call this. The second call has to wait until
        # the first one is done, and then finds nothing left to stop.
        async with self._stopping:
            started = [
                role
                for role in reversed(self._roles)
                if role.name in self._keepers or role.name in self._children
            ]
            # First the keepers: a keeper would restart the child that ends now.
            for keeper in self._keepers.values():
                keeper.cancel()
            await asyncio.gather(*self._keepers.values(), return_exceptions=True)
            self._keepers.clear()
            await self._end_children()
            for role in started:
                self._tell(role, RoleState.STOPPED)
            if self._parent_pipe is not None:
                for fd in self._parent_pipe:
                    os.close(fd)
                self._parent_pipe = None

    def log_of(self, name: str) -> Path:
        """The file that a role's output goes to."""
        return self._logs / f"{name}.log"

    async def _end_children(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        base = self._roles[0].name
        left = [role.name for role in reversed(self._roles) if role.name in self._children]
        dependents = [name for name in left if name != base]
        await self._terminate(dependents, _DEPENDENTS_SHARE * STOP_SECONDS)
        await self._terminate([base], deadline - time.monotonic())
        # A dependent that was late has had the base role's time as well. Now it is killed.
        for name in left:
            child = self._children.pop(name)
            if not await _has_ended(child, deadline - time.monotonic()):
                _log.warning("%s did not end in time and is killed", name)
                _signal(child, signal.SIGKILL)
                await child.wait()

    async def _terminate(self, names: Sequence[str], seconds: float) -> None:
        """Send SIGTERM to these roles together, and wait that long for all of them."""
        children = [self._children[name] for name in names if name in self._children]
        for child in children:
            _signal(child, signal.SIGTERM)
        await asyncio.gather(*(_has_ended(child, seconds) for child in children))

    async def _keep(self, role: Role) -> None:
        """Restart a role whenever it dies, until `stop` cancels this task."""
        delay = self._first_delay
        started = time.monotonic()
        while True:
            trouble = _ending(await self._children[role.name].wait())
            if time.monotonic() - started >= STEADY_SECONDS:
                delay = self._first_delay
            while trouble:
                self._tell(role, RoleState.RESTARTING, f"{trouble}; again in {delay:g} s")
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)
                started = time.monotonic()
                trouble = await self._launch(role)

    async def _launch(self, role: Role) -> str:
        """Start a process and wait until it is ready.

        Returns the reason when it did not get ready, and an empty text when it did.
        """
        ready_read, ready_write = os.pipe()
        try:
            try:
                child = await self._spawn(role, ready_write)
            except OSError as error:
                return f"cannot be started: {error.strerror}"
            finally:
                # Only the child may hold the writing end. Otherwise the pipe would stay open
                # when the child dies, and this process would wait until the timeout.
                os.close(ready_write)
            self._children[role.name] = child
            trouble = await self._until_ready(child, ready_read)
        finally:
            os.close(ready_read)
        if trouble:
            del self._children[role.name]
        else:
            self._tell(role, RoleState.READY, f"pid {child.pid}")
        return trouble

    async def _spawn(self, role: Role, ready_fd: int) -> asyncio.subprocess.Process:
        assert self._parent_pipe is not None
        parent_pipe_fd, _writing_end = self._parent_pipe
        pipes = {
            PARENT_PIPE_FD: str(parent_pipe_fd),
            READY_FD: str(ready_fd),
            INSTANCE: self._instance,
        }
        output = await asyncio.to_thread(_open_log, self.log_of(role.name))
        try:
            return await asyncio.create_subprocess_exec(
                *role.argv,
                env={**os.environ, **role.env, **pipes},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(parent_pipe_fd, ready_fd),
            )
        finally:
            os.close(output)

    async def _until_ready(self, child: asyncio.subprocess.Process, ready_fd: int) -> str:
        """Wait until a child is ready, and kill it when it is not ready in time.

        Returns the reason when it did not get ready, and an empty text when it did.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._start_seconds):
                return "" if await _read_byte(ready_fd) else _ending(await child.wait())
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
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        child.send_signal(number)


async def _has_ended(child: asyncio.subprocess.Process, seconds: float) -> bool:
    """Wait at most that long for the end of a process, and tell whether it has ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(seconds, 0)):
            await child.wait()
    return child.returncode is not None


async def _read_byte(pipe: int) -> bool:
    """Wait for a byte in a pipe. False when the pipe is closed without a byte."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(pipe, readable.set)
    try:
        await readable.wait()
        return os.read(pipe, 1) != b""
    finally:
        loop.remove_reader(pipe)


def _open_log(path: Path) -> int:
    """Open a log for appending. A log that is too long is renamed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
