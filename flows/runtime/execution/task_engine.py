"""Where the tasks of a batch are executed: threads, processes, Dask or Ray, by one setting.

Prefect's task runners do the work for threads, Dask and Ray. `processes` is a thread per process
around `WarmProcesses`: Prefect's own pool starts each process from nothing, which takes seconds,
and a killed process ends all its tasks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from prefect import Task
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from data.contracts.errors import ContractViolationError
from data.settings import Settings
from flows.runtime.execution.warm_processes import WarmProcesses

T = TypeVar("T")

_NEEDS = {
    "dask": ("prefect_dask", "credit-desk-lite[dask]"),
    "ray": ("prefect_ray", "prefect-ray"),  # no extra: it is too large to be locked and tested here
}
"""The module that an engine needs, and the package that brings it."""


@dataclass(frozen=True)
class TaskEngine:
    """A started task runner, and how many tasks it executes at the same time."""

    runner: TaskRunner[Any]
    workers: int

    def submit(self, task: Task[..., Any], parameters: dict[str, Any]) -> PrefectFuture[Any]:
        """Begin a task of the flow run that is under way here."""
        future: PrefectFuture[Any] = self.runner.submit(task, parameters)
        return future


_processes: WarmProcesses | None = None
"""Those of the engine `processes`, in the process that drives a batch."""


def on_a_processor(call: Callable[..., T], *args: Any) -> T:
    """Execute the body of a task where its engine wants it: here, or in a warm process."""
    return call(*args) if _processes is None else _processes.run(call, *args)


def require_installed(settings: Settings) -> None:
    """Raise ContractViolationError, with the install line, for an engine that is not there."""
    engine = "dask" if "://" in settings.batch_engine else settings.batch_engine
    module, package = _NEEDS.get(engine, ("", ""))
    if module and find_spec(module) is None:
        raise ContractViolationError(
            f"CREDIT_DESK_BATCH_ENGINE={settings.batch_engine} is not installed:"
            f" pip install '{package}'"
        )


@contextmanager
def open_engine(settings: Settings, tasks: int, preload: str) -> Iterator[TaskEngine]:
    """Start the engine that the settings name, for so many tasks, and end it after the block.

    One task alone is executed here: a second process would start for nothing. Raises
    ContractViolationError for an engine that is not installed.
    """
    require_installed(settings)
    engine = settings.batch_engine
    workers = max(1, min(settings.batch_workers or os.cpu_count() or 1, tasks))
    if engine == "threads" or (tasks == 1 and engine == "processes"):
        with _threads(workers) as runner:
            yield TaskEngine(runner, workers)
    elif engine == "processes":
        with (
            _warm(workers, preload, settings.batch_chunk_seconds),
            _threads(workers) as runner,
        ):
            yield TaskEngine(runner, workers)
    elif engine == "ray":
        with _ray(workers) as runner:
            yield TaskEngine(runner, workers)
    else:
        with _dask(engine, workers) as runner:
            yield TaskEngine(runner, _dask_threads(runner) or workers)


def _threads(count: int) -> TaskRunner[Any]:
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=count)
    return runner


@contextmanager
def _warm(count: int, preload: str, seconds: float) -> Iterator[None]:
    global _processes
    with WarmProcesses(count, preload, seconds) as _processes:
        try:
            yield
        finally:
            _processes = None


def _dask(engine: str, workers: int) -> TaskRunner[Any]:
    from prefect_dask.task_runners import DaskTaskRunner

    # Dask always serves its dashboard: on any port, and to this machine alone.
    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    runner: TaskRunner[Any] = (
        DaskTaskRunner(cluster_kwargs=here) if engine == "dask" else DaskTaskRunner(address=engine)
    )
    return runner


def _dask_threads(runner: TaskRunner[Any]) -> int:
    """How many tasks the cluster executes at the same time, as its scheduler says now."""
    client: Any = runner.client  # type: ignore[attr-defined]
    return sum(client.nthreads().values())


def _ray(workers: int) -> TaskRunner[Any]:
    from prefect_ray import RayTaskRunner

    # Ray reports how it is used to a host of its makers, unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    here = {"num_cpus": workers, "include_dashboard": False}
    runner: TaskRunner[Any] = RayTaskRunner(init_kwargs=here)
    return runner
