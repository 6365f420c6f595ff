"""A run from outside: how it is asked for, where it stands, where it came from."""

from __future__ import annotations

import operator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from data.contracts.base import Contract, Day, Moment, Sha256, Slug
from data.contracts.quantities import Count
from data.contracts.wording import ModelUse
from data.settings import FanOutPolicy


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        return self in {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}


class RunOptions(Contract):
    """What may differ from the desk's defaults in one run."""

    fan_out_policy: FanOutPolicy | None = None
    as_of_date: Day | None = None
    """Decide as of this day instead of the application's own."""
    bundle: Annotated[Slug | None, Field(exclude_if=operator.not_)] = None
    """Decide by this bundle; None for what is in force. Options without it have the form that they
    had: a batch's id follows from them."""


class Lineage(Contract):
    """Where a run came from, and what is different in it."""

    parent_run_id: str
    forked_at: str
    """The parent's checkpoint as `label/version`, or `start`."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    pinned: str = ""
    """Digest of what the fork decides by."""
    may_decide: bool = False
    """Whether it may issue the application's decision; otherwise it is a what-if."""

    @property
    def place(self) -> tuple[str, int] | None:
        """Label and version of the parent's checkpoint; None for the start."""
        label, _, version = self.forked_at.partition("/")
        return (label, int(version)) if version else None


class Failure(Contract):
    """Why a run ended without a result."""

    code: str
    message: str
    stage: str = ""
    agent: str = ""
    tool: str = ""


class RetryState(Contract):
    """What went wrong in a run's executions so far, and when the next one may begin.

    `_at` counts are the number of checkpoints that the run had saved: a new checkpoint means that
    the run has come further, and its counts start again.
    """

    crash_place: str = ""
    """Phase and number of checkpoints where a worker was lost last: `<phase>/<n>`."""
    crashes: int = 0
    """How many workers in a row were lost in that place."""
    is_quarantined: bool = False
    """The run is executed alone: workers were lost while they executed it."""
    quarantine_at: int = 0
    quarantine_crashes: int = 0
    """How many workers were lost since then, without a new checkpoint."""
    retries: int = 0
    """How many executions in a row were cut short by an outage."""
    retried_at: int = 0
    startup_failures: int = 0
    """How many executions in a row failed before the run was opened."""
    startup_failed_in: int = 0
    """The lease epoch of the last of them."""
    not_before: Moment | None = None
    """When the next execution may begin; None for at once."""


class CheckpointEntry(Contract):
    """One line of a run's list of checkpoints."""

    label: str
    version: int
    ordinal: int
    sha256: str
    bytes: int
    schema_version: int
    workflow_version: str
    saved_at: Moment
    purged_at: Moment | None = None
    """When its body was removed; the digest stays."""


class Message(Contract):
    """One thing that an agent or a person said in the run's thread."""

    n: int
    stage: str
    author: str
    text: str
    model_use: Annotated[ModelUse | None, Field(exclude_if=operator.not_)] = None
    """What the text has used of a chat model; None for a text that no model was asked for."""


class RunModelUse(Contract):
    """What the agents of a run have used of chat models, as far as its stages have ended."""

    prompt_tokens: Count
    completion_tokens: Count
    cost_usd: Decimal | None
    """None, not known, when one of the models has no price."""
    agents: dict[str, ModelUse]
    """By agent; an agent that was asked several times is added up."""
    stages: dict[str, ModelUse]
    """By stage."""


class WaitingFor(Contract):
    """What a waiting run needs, and from whom."""

    gate: str
    role: str
    title: str
    due_at: Moment


class Links(Contract):
    """Where to look next; absolute URLs."""

    self: str
    events: str
    state: str
    graph: str
    trace: str
    """Empty while no viewer of traces is known: none is set, and no collector answers."""
    span: str
    """The address of one span: put an event's `span_id` in the place of `{span_id}`. Empty as
    `trace` is."""
    prefect: str
    decision: str | None = None


class RunSummary(Contract):
    """A run as `GET /runs/{id}` answers it."""

    run_id: str
    application_id: str
    status: RunStatus
    phase: str
    progress: float
    decision: dict[str, Any] | None = None
    """`recommendation` as soon as the policy has spoken; `outcome`, `reasons`, `offer` and
    `content_sha256` once the case is decided."""
    waiting_for: WaitingFor | None = None
    error: Failure | None = None
    versions: dict[str, Any] = Field(default_factory=dict)
    workflow_version: str = ""
    lineage: Lineage | None = None
    model_use: Annotated[RunModelUse | None, Field(exclude_if=operator.not_)] = None
    """Only in the answer about one run, and only when a chat model was asked."""
    trace_id: str = ""
    legal_hold: bool = False
    """Whether nothing of it may be purged."""
    created_at: Moment
    updated_at: Moment
    links: Links


class Clearance(Contract):
    """What one person cleared and a second one confirmed, so that it is not asked about again."""

    clearance_id: str
    subject: Sha256
    """The digest of everything that was cleared. A change of any of it gives another digest."""
    about: str
    run_id: str
    """The run in which it was cleared."""
    proposed_by: str
    proposed_by_principal: str = ""
    proposed_at: str
    confirmed_by: str = ""
    confirmed_by_principal: str = ""
    confirmed_at: str = ""
    """Empty while no second person has confirmed it. Until then it counts for nothing."""
    valid_until: Day
