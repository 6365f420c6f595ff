"""Warm processes: functions executed on other processors, in processes that have the code loaded.

A thread that calls `run` takes an idle process and waits. A process that dies or takes too long is
replaced and costs its own call alone: in the pool of the standard library a dead process ends the
calls of all the others. Processes are forked from one server that has imported the code, so a
further one starts in milliseconds. They end with the process that started them, at the latest after
the call under way.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import LifoQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from data.contracts.errors import CreditDeskError, UnavailableError, WorkflowError, as_desk_error
from flows.runtime.host.garbage import collect_seldom, leave_out_loaded

T = TypeVar("T")

_forks = multiprocessing.get_context("forkserver")


class WarmProcesses:
    """A fixed number of processes. Close them, or use it as a context manager."""

    def __init__(self, count: int, preload: str, seconds: float) -> None:
        """`preload` is the module to import first; a call may take so many `seconds`."""
        _forks.set_forkserver_preload([preload])
        self._seconds = seconds
        self._idle: LifoQueue[_Warm] = LifoQueue()
        for _ in range(count):
            self._idle.put(_Warm())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while not self._idle.empty():
            self._idle.get().end()

    def run(self, call: Callable[..., T], *args: Any) -> T:
        """Execute a function of a module in an idle process; waits for one.

        Raises UnavailableError when the process died or took too long, and the CreditDeskError
        that the function raised.
        """
        process = self._idle.get()
        try:
            return process.run(call, args, self._seconds)
        finally:
            if not process.is_usable:
                process.end()
                process = _Warm()
            self._idle.put(process)


class _Warm:
    """One process, started by its first call, and our end of the pipe to it."""

    def __init__(self) -> None:
        self._pipe: Connection | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self.is_usable = True

    def run(self, call: Callable[..., T], args: tuple[Any, ...], seconds: float) -> T:
        self.is_usable = False
        pipe = self._started()
        try:
            pipe.send((call, args))
            if not pipe.poll(seconds):
                raise UnavailableError(f"a process took longer than {seconds:g} s")
            value, error = pipe.recv()
        except (EOFError, OSError):
            raise UnavailableError("a process was killed during its work") from None
        self.is_usable = True
        if error is not None:
            raise error
        outcome: T = value
        return outcome

    def _started(self) -> Connection:
        if self._pipe is None:
            self._pipe, theirs = _forks.Pipe()
            self._process = _forks.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()  # only the process has it now: its death ends our waiting
        return self._pipe

    def end(self) -> None:
        if self._process is not None and self._pipe is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection) -> None:
    """Execute calls until the other end is closed."""
    leave_out_loaded()
    collect_seldom()
    with suppress(EOFError, OSError):
        while True:
            call, args = pipe.recv()
            pipe.send(_outcome(call, args))


def _outcome(call: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return call(*args), None
    except Exception as error:
        known = as_desk_error(error, WorkflowError)
        # A plain error of its class: it has to survive the pipe, and it holds no foreign text.
        kind = UnavailableError if isinstance(known, UnavailableError) else WorkflowError
        told: CreditDeskError = kind(str(known))
        return None, told
