"""The events that a run writes while it is running.

One schema for the journal, the SSE stream, Prefect's event feed and the OpenAPI page.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from data.contracts.base import Contract, Moment


class EventType(StrEnum):
    RUN_STARTED = "run.started"
    STAGE_STARTED = "stage.started"
    STAGE_COMPLETED = "stage.completed"
    STAGE_SKIPPED = "stage.skipped"
    STAGE_TAKEN_OVER = "stage.taken_over"
    AGENT_STARTED = "agent.started"
    AGENT_DELTA = "agent.delta"
    AGENT_COMPLETED = "agent.completed"
    TOOL_CALLED = "tool.called"
    PROGRESS = "progress"
    STATE_UPDATED = "state.updated"
    CHECKPOINT_SAVED = "checkpoint.saved"
    CHECKPOINT_MISSING = "checkpoint.missing"
    WAITING = "waiting"
    HITL_RESOLVED = "hitl.resolved"
    HITL_REJECTED = "hitl.rejected"
    HITL_REMINDED = "hitl.reminded"
    HITL_ESCALATED = "hitl.escalated"
    HITL_SNOOZED = "hitl.snoozed"
    HITL_WOKEN = "hitl.woken"
    NOTE_ADDED = "note.added"
    ERROR = "error"
    RUN_RESUMED = "run.resumed"
    RUN_COMPLETED = "run.completed"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    BATCH_PROGRESS = "batch.progress"


TERMINAL = frozenset({EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.RUN_CANCELLED})


class EventStatus(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    ERROR = "error"


class Event(Contract):
    """One entry of a run's journal. `id` counts from 1 without gaps, and is also the SSE id."""

    id: Annotated[int, Field(ge=1)]
    run_id: str
    ts: Moment
    type: EventType
    phase: str
    """The current stage, by its name in the workflow map; empty before the first stage."""
    status: EventStatus
    message: str
    progress: Annotated[float, Field(ge=0, le=1)]
    """The finished share of the whole run. It never decreases."""
    step_progress: Annotated[float, Field(ge=0, le=1)]
    """The finished share of the current stage."""
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    span_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    meta: dict[str, Any] = Field(default_factory=dict)
