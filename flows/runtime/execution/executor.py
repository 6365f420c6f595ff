"""How the same story is carried out: as Prefect runs one can watch, or as plain awaits.

*Orchestrated*, a stage is a Prefect subflow and an agent a Prefect task, both made without
parameters: Prefect stores a subflow's arguments, and those of the desk would be an application.
*Inline* (batch, what-if, tests), the same functions are awaited and nothing else happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar
from uuid import UUID

from prefect import Flow, Task
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)

from flows.runtime.execution.flow_run import current_flow_run
from flows.runtime.prefect_api.client import prefect_client, translated_errors

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

    def __init__(self, flow_run_id: str) -> None:
        self._flow_run_id = UUID(flow_run_id)

    async def stage(self, name: str, visit: int, body: Callable[[], Awaitable[T]]) -> T:
        """Run a stage as a subflow.

        Its name on the parent's page follows from stage and visit and not from the order of
        calls: an execution that skips finished stages must not be handed their subflows.
        """
        outcome: list[T] = []

        async def stage_body() -> None:
            outcome.append(await body())

        stage_body.__qualname__ = f"{name}_{visit}"
        subflow = Flow(
            stage_body,
            name=f"stage-{name}".replace("_", "-"),
            flow_run_name=f"stage {name}" + (f" {visit}" if visit > 1 else ""),
            persist_result=False,
            validate_parameters=False,
        )
        with translated_errors():
            await subflow()
        return outcome[0]

    async def agent(self, label: str, body: Callable[[], Awaitable[T]]) -> T:
        outcome: list[T] = []

        async def agent_body() -> None:
            outcome.append(await body())

        await Task(
            agent_body, name=f"agent {label}", task_run_name=f"agent {label}", persist_result=False
        )()
        return outcome[0]

    async def compute(self, work: Callable[[A], T], on: A) -> T:
        """On a thread: the event loop has other runs to serve."""
        return await asyncio.to_thread(work, on)

    async def publish(self, key: str, markdown: str) -> None:
        """Leave the text with the run itself, once: a killed execution comes here again."""
        # The current flow run is a stage's subflow here; people look at the root flow run.
        flow_run_id = self._flow_run_id
        there = ArtifactFilter(
            key=ArtifactFilterKey(any_=[key]),
            flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]),
        )
        async with prefect_client() as client:
            if not await client.read_artifacts(artifact_filter=there, limit=1):
                await client.create_artifact(
                    ArtifactCreate(type="markdown", key=key, data=markdown, flow_run_id=flow_run_id)
                )

    async def tag(self, *tags: str) -> None:
        flow_run = current_flow_run()
        async with prefect_client() as client:
            await client.update_flow_run(flow_run.id, tags=sorted({*flow_run.tags, *tags}))
