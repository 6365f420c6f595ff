"""A desk is a folder. One process at a time may run it.

The lock keeps a second process out. `desk.json` tells other commands at which addresses the desk
answers. `free_port` finds ports for it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from data.contracts.base import Contract, Moment
from data.contracts.errors import ConflictError
from flows.runtime.host.private_folder import make_private

PORTS_TRIED = 100
LOCK_SECONDS = 0.5


class RunningDesk(Contract):
    """The content of `desk.json`: where the desk of this folder answers."""

    pid: int
    api_url: str
    prefect_url: str
    started_at: Moment


class DeskLock:
    """The lock on a desk's folder. Only the process that holds it may run the desk.

    The operating system releases the lock when the process ends, even when it is killed.
    `acquire` may block for half a second: call it before the event loop starts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd: int | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, and delete the `desk.json` of a desk that was killed.

        Raises:
            ConflictError: another process runs this desk. The message has its pid and addresses.
        """
        make_private(self._folder)
        fd = os.open(_lock_file(self._folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # `running_desk` holds the lock for a moment while it looks whether a desk holds it. So
        # a lock that is taken means a running desk only when it stays taken.
        deadline = time.monotonic() + LOCK_SECONDS
        while not _locked(fd, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                holder = os.read(fd, 32).decode() or "unknown"
                os.close(fd)
                raise ConflictError(_taken(self._folder, holder))
            time.sleep(0.02)
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode())
        self._fd = fd
        _desk_file(self._folder).unlink(missing_ok=True)

    def publish(self, *, api_url: str, prefect_url: str) -> RunningDesk:
        """Tell other commands where this desk answers. Call it while the lock is held."""
        assert self._fd is not None, "publish needs the lock: call acquire first"
        desk = RunningDesk(
            pid=os.getpid(),
            api_url=api_url,
            prefect_url=prefect_url,
            started_at=datetime.now(UTC),
        )
        # Replaced as a whole: another command may read the file at this moment.
        draft = _desk_file(self._folder).with_suffix(".tmp")
        draft.write_text(desk.model_dump_json(indent=2))
        draft.replace(_desk_file(self._folder))
        return desk

    def release(self) -> None:
        """Release the folder for the next desk. A second call does nothing."""
        if self._fd is None:
            return
        # The file goes first: once the lock is released, it may be the next desk's file.
        _desk_file(self._folder).unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = None


def running_desk(folder: Path) -> RunningDesk | None:
    """The desk that runs on this folder. None when there is none, or when it was killed."""
    try:
        fd = os.open(_lock_file(folder), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(fd, fcntl.LOCK_SH) else _published(folder)
    finally:
        os.close(fd)


def free_port(preferred: int, host: str) -> int:
    """The preferred port if it is free on that address, otherwise the next free port.

    Raises:
        ConflictError: the preferred port and the hundred ports after it are taken.
    """
    for port in range(preferred, min(preferred + PORTS_TRIED, 65535) + 1):
        if _bindable(port, host) and not _answered(port, host):
            return port
    raise ConflictError(f"no free port from {preferred} on {host}: choose another port")


def _answered(port: int, host: str) -> bool:
    """Whether a server answers on that port.

    On some systems a port can be bound although a server listens on it at all addresses.
    """
    try:
        socket.create_connection((host, port), timeout=0.2).close()
    except OSError:
        return False
    return True


def _bindable(port: int, host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError:
        return False
    return True


def _lock_file(folder: Path) -> Path:
    return folder / "desk.lock"


def _desk_file(folder: Path) -> Path:
    return folder / "desk.json"


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _published(folder: Path) -> RunningDesk | None:
    try:
        return RunningDesk.model_validate_json(_desk_file(folder).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _taken(folder: Path, holder: str) -> str:
    desk = _published(folder)
    where = f"api {desk.api_url}, prefect {desk.prefect_url}" if desk else "still starting"
    return f"a desk runs on {folder} already (pid {holder}, {where}): use it, or stop it first"
