"""Functions for warm processes to execute."""

from __future__ import annotations

import os
import time
from pathlib import Path

from data.contracts.errors import UnavailableError

_PATIENCE_SECONDS = 60.0


def own_pid() -> int:
    return os.getpid()


def meet(folder: str, number: int) -> int:
    """Wait until another call has come, too; who executes this one."""
    (Path(folder) / str(number)).touch()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(list(Path(folder).iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    return os.getpid()


def fail(how: str) -> None:
    if how == "unavailable":
        raise UnavailableError("no ledger")
    raise ValueError("123-45-6789 is not a number")


def linger(mark: str, seconds: float) -> str:
    Path(mark).write_text(str(os.getpid()))
    time.sleep(seconds)
    return "done"


def pid_in(mark: Path) -> int:
    """The process that left a mark, once it has."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if mark.is_file() and (text := mark.read_text()):
            return int(text)
        time.sleep(0.02)
    raise AssertionError("no process has come")
