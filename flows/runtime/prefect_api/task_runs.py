"""The task of an agent, as Prefect shows it: when it began, how it ended.

Prefect's engine tells three events of each task, and the server's recorder writes a row for each.
A task that is over at once needs one: it holds the begin and the end. Only a task that takes longer
than people would notice is told to be running.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

from prefect.client.schemas.objects import TaskRun
from prefect.states import Completed, Crashed, Failed, Running
from prefect.utilities.engine import emit_task_run_state_change_event

from flows.runtime.prefect_api.client import State
from flows.runtime.prefect_api.subflows import TRACEPARENT_LABEL

UNNOTICED_SECONDS = 0.2


class TaskTold:
    """Tells Prefect of what the block does, as a task of the flow run that is under way.

    The same task of a later execution takes the place of one that was stopped in its middle.
    """

    def __init__(self, name: str, flow_run_id: UUID, number: int, traceparent: str) -> None:
        """`number` tells apart several tasks of one name in one flow run."""
        self._running: State[Any] = Running()
        self._is_told_of = False
        self._task_run = TaskRun(
            id=uuid4(),
            name=name,
            flow_run_id=flow_run_id,
            task_key=name,
            dynamic_key=str(number),
            labels={TRACEPARENT_LABEL: traceparent} if traceparent else {},
            run_count=1,
            expected_start_time=self._running.timestamp,
            start_time=self._running.timestamp,
        )

    @property
    def id(self) -> UUID:
        return self._task_run.id

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(UNNOTICED_SECONDS, self._still_runs, context=copy_context())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._late.cancel()
        state = _ended_by(error)
        self._task_run = self._task_run.model_copy(
            update={
                "end_time": state.timestamp,
                "total_run_time": state.timestamp - self._running.timestamp,
            }
        )
        self._tell(self._running if self._is_told_of else None, state)

    def _still_runs(self) -> None:
        self._is_told_of = True
        self._tell(None, self._running)

    def _tell(self, before: State[Any] | None, state: State[Any]) -> None:
        emit_task_run_state_change_event(self._task_run, before, state)


def _ended_by(error: BaseException | None) -> State[Any]:
    if error is None:
        return Completed()
    if isinstance(error, Exception):
        return Failed(message=f"{type(error).__name__}: {error}")
    return Crashed(message="Stopped together with its run")
