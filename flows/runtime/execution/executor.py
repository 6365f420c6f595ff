"""How the same story is carried out: as Prefect runs one can watch, or as plain awaits.

*Orchestrated*, a stage is a Prefect subflow and an agent a Prefect task, both made without
parameters: Prefect stores a subflow's arguments, and those of the desk would be an application.
The worker has Prefect's engine execute the root flow, and tells Prefect of its stages and agents
itself, in as few words as show the same. *Inline* (batch, what-if, tests), the same functions are
awaited and nothing else happens.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol, TypeVar
from uuid import UUID

from opentelemetry import propagate, trace
from prefect import get_run_logger
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.states import Completed, Crashed, Failed

from data import traces
from data.contracts.errors import CreditDeskError
from flows.runtime.execution.flow_run import current_flow_run, in_subflow
from flows.runtime.prefect_api import subflows
from flows.runtime.prefect_api.client import FlowRun, PrefectClient, State, prefect_client
from flows.runtime.prefect_api.task_runs import TaskTold

A = TypeVar("A")
T = TypeVar("T")


class Executor(Protocol):
    """Where stages and agents are executed."""

    async def stage(self, name: str, visit: int, body: Callable[[], Awaitable[T]]) -> T: ...

    async def agent(self, label: str, body: Callable[[], Awaitable[T]]) -> T: ...

    async def compute(self, work: Callable[[A], T], on: A) -> T:
        """Do work that takes long on the processor, where it holds up no other run."""

    async def publish(self, key: str, markdown: str) -> None:
        """Show a text to people who look at the run in Prefect."""

    async def tag(self, *tags: str) -> None:
        """Mark the run, so that people can filter for it in Prefect."""


class InlineExecutor:
    """Plain awaits in the caller's process."""

    async def stage(self, name: str, visit: int, body: Callable[[], Awaitable[T]]) -> T:
        return await body()

    async def agent(self, label: str, body: Callable[[], Awaitable[T]]) -> T:
        return await body()

    async def compute(self, work: Callable[[A], T], on: A) -> T:
        """At once: the loop of an inline run has no other work that must not wait."""
        return work(on)

    async def publish(self, key: str, markdown: str) -> None:
        """An inline run has no page in Prefect."""

    async def tag(self, *tags: str) -> None:
        """There is nothing to mark."""


class OrchestratedExecutor:
    """Prefect subflows and tasks of the flow run that is under way."""

    def __init__(self, flow_run_id: str, *, is_first: bool = False) -> None:
        """`is_first` says that no execution of the run came before: nothing is left of one."""
        self._flow_run_id = UUID(flow_run_id)
        self._is_first = is_first
        self._asked: Counter[tuple[UUID, str]] = Counter()

    async def stage(self, name: str, visit: int, body: Callable[[], Awaitable[T]]) -> T:
        async with prefect_client() as client:
            begun = await subflows.begin(client, self._flow_run_id, name, visit, _traceparent())
            _name_in_span("flow", begun.id)
            async with _told_of_its_end(client, begun):
                with in_subflow(begun), _failure_logged(f"stage {name}"):
                    outcome = await body()
        return outcome

    async def agent(self, label: str, body: Callable[[], Awaitable[T]]) -> T:
        """Run an agent as a task of the stage under way."""
        name, subflow_id = f"agent {label}", current_flow_run().id
        self._asked[subflow_id, name] += 1
        task = TaskTold(name, subflow_id, self._asked[subflow_id, name], _traceparent())
        _name_in_span("task", task.id)
        with task, _failure_logged(name):
            return await body()

    async def compute(self, work: Callable[[A], T], on: A) -> T:
        """On a thread: the event loop has other runs to serve."""
        return await asyncio.to_thread(work, on)

    async def publish(self, key: str, markdown: str) -> None:
        """Leave the text with the run itself, once: a killed execution comes here again."""
        async with prefect_client() as client:
            if self._is_first or not await self._has_artifact(client, key):
                # The current flow run is a stage's subflow; people look at the root flow run.
                artifact = ArtifactCreate(
                    type="markdown", key=key, data=markdown, flow_run_id=self._flow_run_id
                )
                await client.create_artifact(artifact)

    async def _has_artifact(self, client: PrefectClient, key: str) -> bool:
        there = ArtifactFilter(
            key=ArtifactFilterKey(any_=[key]),
            flow_run_id=ArtifactFilterFlowRunId(any_=[self._flow_run_id]),
        )
        return bool(await client.read_artifacts(artifact_filter=there, limit=1))

    async def tag(self, *tags: str) -> None:
        flow_run = current_flow_run()
        async with prefect_client() as client:
            await client.update_flow_run(flow_run.id, tags=sorted({*flow_run.tags, *tags}))


@asynccontextmanager
async def _told_of_its_end(client: PrefectClient, subflow: FlowRun) -> AsyncIterator[None]:
    """Tell Prefect how a stage ends: in good order, in an error, or stopped in its middle."""
    try:
        yield
    except Exception as error:
        failed: State[Any] = Failed(message=f"{type(error).__name__}: {error}")
        await subflows.interrupt(client, subflow, failed)
        raise
    except asyncio.CancelledError:
        stopped: State[Any] = Crashed(message="Stopped together with its run")
        # The run is being stopped: what Prefect does not hear now, `close_children` says later.
        with suppress(CreditDeskError):
            await asyncio.shield(subflows.interrupt(client, subflow, stopped))
        raise
    await subflows.end(client, subflow, Completed())


@contextmanager
def _failure_logged(name: str) -> Iterator[None]:
    """Log an error where people look for it: in the worker's log, and with the run in Prefect."""
    try:
        yield
    except Exception as error:
        get_run_logger().error("%s failed: %s", name, error, exc_info=True)
        raise


def _name_in_span(kind: str, run_id: UUID) -> None:
    """Let the span under way say what Prefect calls the same thing."""
    about = {traces.PREFECT_RUN_TYPE: kind, traces.PREFECT_RUN_ID: str(run_id)}
    trace.get_current_span().set_attributes(about)


def _traceparent() -> str:
    """The span under way, as Prefect keeps it with a run; empty when there is none."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")
