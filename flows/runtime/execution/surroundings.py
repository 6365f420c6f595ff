"""What surrounds a run while it is executed: a worker's lease, or nothing but the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from prefect.client.schemas.objects import State

from data.contracts.base import Contract
from data.contracts.errors import WorkflowError
from data.contracts.review import Person
from data.contracts.runs import RunOptions
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.execution.context import AgentPolicy, RunContext
from flows.runtime.execution.gatekeeper import PreparedAnswers
from flows.runtime.execution.recorder import MemoryRecord, ResultRecord
from flows.runtime.ledger.applications import Filed

Pin = TypeVar("Pin", bound=Contract)


@dataclass
class Execution:
    """One execution of a run under its lease, as the worker and the flow both see it."""

    run_id: str
    flow_run_id: str
    epoch: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the run is cancelled on request, to tell that from the worker's own shutdown."""
    has_lost_lease: bool = False
    """Whether another worker may go on with the run: this one is stopped, and not asked to be."""
    has_opened: bool = False
    """Whether the flow has come so far that it writes its own end in every case."""
    met_outage: bool = False
    """Whether the run could not be opened because a part of the desk was out of reach."""

    @property
    def is_startup_failure(self) -> bool:
        """Whether it failed before the run was opened, and the desk was in order."""
        return not self.has_opened and not self.met_outage


@dataclass
class Inline:
    """Set this, and the same root flow function runs without Prefect and without a ledger."""

    application: Filed | Contract
    """As the vault would hold it, or itself, when the caller has read it."""
    agent_policy: AgentPolicy = field(default_factory=AgentPolicy)
    answers: PreparedAnswers = field(default_factory=PreparedAnswers)
    record: ResultRecord = field(default_factory=MemoryRecord)
    saved: Checkpoint | None = None
    """Where the run goes on; None for the start."""


execution: ContextVar[Execution | None] = ContextVar("execution", default=None)
"""Set by the worker. A stock Prefect worker sets none, and the run takes its lease itself."""
inline: ContextVar[Inline | None] = ContextVar("inline", default=None)


@dataclass
class OpenRun(Generic[Pin]):
    """A run that is being executed, with what it was asked to do."""

    context: RunContext[Any]
    application: Filed | Contract
    """As the vault holds it, or itself, when the caller of an inline run has read it."""
    pinned: Pin
    """What the run decides by, fixed when it was first executed."""
    options: RunOptions
    overrides: dict[str, Any] = field(default_factory=dict)
    """What a fork was asked to change."""
    submitted_by: tuple[Person, ...] = ()
    """Who asked for this run, and for those that it goes on from."""
    conclusion: State[Any] | None = None
    """What the root flow returns to Prefect: a state of its own if it was stopped on request."""
    vault: Callable[[], Awaitable[Filed]] | None = None

    @property
    def filed(self) -> Filed:
        """The application as the vault holds it. Raises WorkflowError when a caller has read it."""
        if not isinstance(self.application, Filed):
            raise WorkflowError("this inline run was handed an application that is not in a vault")
        return self.application

    async def reread(self) -> None:
        """Look into the vault again: an answer that came at once did not put the run to sleep, and
        documents may lie there that this execution has not seen."""
        if self.vault is not None:
            self.application = await self.vault()
