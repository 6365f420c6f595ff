"""A sliding window: many tasks, of which a few are under way at a time.

A future is dropped as soon as it has been read. That bounds the memory of the caller, and on Dask
it keeps a finished task from being executed again when the worker that holds its result dies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

from prefect import Task
from prefect.futures import PrefectFuture

from data.contracts.errors import UnavailableError
from flows.runtime.execution.task_engine import TaskEngine

PER_WORKER = 2
"""How many tasks are under way per worker: one is executed, one waits, so that no worker does."""
_LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass
class Window:
    """What became of the tasks of one window."""

    done: int = 0
    failed: list[Mapping[str, Any]] = field(default_factory=list)
    """The calls whose task has failed for good."""
    left_behind: list[UUID] = field(default_factory=list)
    """Task runs that no process ends any more: Prefect would show them as running for ever."""


def run_in_window(
    engine: TaskEngine,
    task: Task[..., Any],
    calls: Iterable[Mapping[str, Any]],
    *,
    stall_seconds: float,
    on_end: Callable[[Mapping[str, Any], bool], None],
    shall_stop: Callable[[], bool],
) -> Window:
    """Call a task with each of these parameters; returns when all are done or the caller stops.

    `on_end` is told of each end, and whether it was good. Raises UnavailableError when no task
    ends for so long that the engine must be gone.
    """
    outcome, todo = Window(), iter(calls)
    ended: SimpleQueue[PrefectFuture[Any]] = SimpleQueue()
    live: dict[UUID, tuple[PrefectFuture[Any], Mapping[str, Any]]] = {}

    def more() -> None:
        call = next(todo, None)
        if call is not None:
            future = engine.submit(task, dict(call))
            live[future.task_run_id] = future, call
            future.add_done_callback(ended.put)

    for _ in range(PER_WORKER * engine.workers):
        more()
    quiet = 0.0
    while live:
        try:
            task_run_id = ended.get(timeout=_LOOK_SECONDS).task_run_id
        except Empty:
            quiet += _LOOK_SECONDS
            if quiet > stall_seconds:
                raise UnavailableError("the engine of the batch does not answer") from None
            continue
        quiet = 0.0
        future, call = live.pop(task_run_id)
        is_good = _is_good(future, outcome)
        del future
        outcome.done += is_good
        if not is_good:
            outcome.failed.append(call)
        on_end(call, is_good)
        if not shall_stop():
            more()
    return outcome


def _is_good(future: PrefectFuture[Any], outcome: Window) -> bool:
    """Whether a task has ended well. Without the wait, Dask's futures do not know it yet."""
    try:
        future.wait()
        state = future.state
    except Exception as error:
        log.warning("a task was lost: %s", type(error).__name__)
        state = None
    if state is None or not state.is_final():
        outcome.left_behind.append(future.task_run_id)
        return False
    return bool(state.is_completed())
