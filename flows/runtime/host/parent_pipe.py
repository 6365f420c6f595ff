"""How a child process and its supervisor learn of each other's state, without polling.

The supervisor opens two pipes. Each child inherits them and finds their descriptors in its
environment:

- the *parent pipe*: no process ever writes to it. The operating system closes it when the
  supervisor ends, even when the supervisor is killed, and then the child ends too;
- the *ready pipe*: the child writes one byte when it has started its work.

A process that a person started has neither pipe. Then `exit_with_parent` and `notify_ready` do
nothing.
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

PARENT_PIPE_FD = "CREDIT_DESK_PARENT_PIPE_FD"
READY_FD = "CREDIT_DESK_READY_FD"
INSTANCE = "CREDIT_DESK_INSTANCE"
"""Which start of the supervisor a process belongs to. Every start has a new value."""
GRACE_SECONDS = 4.0
"""How long a child may take to end after SIGTERM, once its supervisor has ended."""

_log = logging.getLogger(__name__)
_ready_fd: int | None = None


def exit_with_parent(*, at_once: bool = False) -> None:
    """End this process when its supervisor ends: SIGTERM first, a forced exit 4 s later.

    Ctrl-C reaches the whole process group. The supervisor ends its children in order then, so that
    the server ends last: here SIGINT is ignored.

    With `at_once` the forced exit comes first, as if this process had been killed too.
    Call it early and before any fork: the thread that watches the pipe does not exist in a
    forked process. A second call does nothing.
    """
    global _ready_fd
    parent_pipe_fd = _take(PARENT_PIPE_FD)
    if _ready_fd is None:
        _ready_fd = _take(READY_FD)
    if parent_pipe_fd is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # A daemon thread: it must not keep the process alive when the work is done.
        threading.Thread(
            target=_watch, args=(parent_pipe_fd, at_once), name="parent-pipe", daemon=True
        ).start()


def ending_signals() -> tuple[signal.Signals, ...]:
    """The signals that end this process in good order. A SIGINT that is ignored stays ignored."""
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return (signal.SIGTERM,) if is_ignored else (signal.SIGTERM, signal.SIGINT)


def notify_ready() -> None:
    """Tell the supervisor that this process has started its work. Only the first call counts."""
    global _ready_fd
    exit_with_parent()
    if _ready_fd is None:
        return
    fd, _ready_fd = _ready_fd, None
    try:
        os.write(fd, b"1")
    except BrokenPipeError:
        _log.warning("the supervisor stopped waiting before this process was ready")
    finally:
        os.close(fd)


def exit_now(code: int = 0) -> NoReturn:
    """End this process when its work is done. Functions registered with `atexit` still run.

    A normal exit of Python also unloads some two thousand modules. That takes more than one of
    the five seconds in which a desk has to stop.
    """
    logging.shutdown()
    atexit._run_exitfuncs()
    # os._exit does not flush buffers.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _take(variable: str) -> int | None:
    """Read an inherited descriptor, and hide it from the processes that this one starts.

    They do not inherit the descriptor, so its number could mean another file there. A child
    that held the ready pipe open would also keep the supervisor waiting after this one died.
    """
    number = os.environ.pop(variable, "")
    if not number:
        return None
    fd = int(number)
    os.set_inheritable(fd, False)
    return fd


def _watch(parent_pipe_fd: int, at_once: bool) -> None:
    # The read returns when the last writing end is closed: at the supervisor's end.
    os.read(parent_pipe_fd, 1)
    if at_once:
        os._exit(1)
    os.kill(os.getpid(), signal.SIGTERM)
    # A process that ignores SIGTERM, or hangs while it ends, would otherwise stay for ever.
    time.sleep(GRACE_SECONDS)
    os._exit(1)
