"""How a child process and its supervisor know of each other, without polling.

Two pipes, inherited from the supervisor and named in the environment:

- the *lifeline*: nobody ever writes to it. It ends when the supervisor ends, however it ends,
  and then the child ends too;
- *ready*: the child writes one byte when it really works.

A process that was started by hand has neither, and both functions do nothing.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
from typing import NoReturn

LIFELINE_FD = "CREDIT_DESK_LIFELINE_FD"
READY_FD = "CREDIT_DESK_READY_FD"
INSTANCE = "CREDIT_DESK_INSTANCE"
"""Which start of the supervisor a process belongs to: set by it, anew every time."""
GRACE_SECONDS = 4.0
"""How long a child may take to end in good order after its supervisor is gone."""

_log = logging.getLogger(__name__)
_ready_fd: int | None = None


def attach(*, at_once: bool = False) -> None:
    """Tie this process to its supervisor: when that is gone, SIGTERM, and a hard end after 4 s.

    With `at_once` the hard end comes at once, as if this process had been killed too. Call it
    early, and in the main thread's process rather than in a fork of it; a second call
    does nothing.
    """
    global _ready_fd
    lifeline_fd = _take(LIFELINE_FD)
    if _ready_fd is None:
        _ready_fd = _take(READY_FD)
    if lifeline_fd is not None:
        threading.Thread(
            target=_hold, args=(lifeline_fd, at_once), name="lifeline", daemon=True
        ).start()


def ready() -> None:
    """Tell the supervisor that this process does its work now; only the first call counts."""
    global _ready_fd
    attach()
    if _ready_fd is None:
        return
    fd, _ready_fd = _ready_fd, None
    try:
        os.write(fd, b"1")
    except BrokenPipeError:
        _log.warning("the supervisor no longer waits for this process")
    finally:
        os.close(fd)


def leave(code: int = 0) -> NoReturn:
    """End this process when its work is done: what is registered for the exit runs, and no more.

    Python would go on to take two thousand modules apart, which costs a role more than a second
    of the five that a desk has to stop.
    """
    logging.shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _take(variable: str) -> int | None:
    """Read an inherited descriptor and keep it, and its name, from this process's own children.

    There the number would belong to another file.
    """
    number = os.environ.pop(variable, "")
    if not number:
        return None
    fd = int(number)
    os.set_inheritable(fd, False)
    return fd


def _hold(lifeline_fd: int, at_once: bool) -> None:
    os.read(lifeline_fd, 1)
    if at_once:
        os._exit(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
