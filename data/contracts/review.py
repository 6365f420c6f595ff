"""What a gate asks of a person, and what came back."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from data.contracts.base import Contract, Moment
from data.settings import HitlOnTimeout


class Role(StrEnum):
    """What somebody may do at the desk. The policy's authority file says up to where."""

    INTAKE = "intake"
    UNDERWRITER = "underwriter"
    SENIOR_UNDERWRITER = "senior_underwriter"
    COMPLIANCE = "compliance"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Channel(StrEnum):
    """Through which door an answer came."""

    HTTP = "http"
    CLI = "cli"
    PAGE = "page"
    PREFECT_UI = "prefect_ui"
    SYSTEM = "system"


class Answerer(Contract):
    """Who answered, and how far we can be sure of it."""

    reviewer: Annotated[str, Field(min_length=1, max_length=100)]
    roles: tuple[Role, ...]
    channel: Channel
    proven: bool = False
    """Whether a key proved the identity, or the name is just what somebody typed."""
    keyed: bool = False
    """Whether the desk had keys then, so that the identity could have been proven."""


class ReviewRequest(Contract):
    """A question to a role: what is asked, why, and the facts needed to decide."""

    role: Role
    title: str
    summary: str
    """Markdown of under 15 lines without personal data; shown above the form."""
    reasons: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Marks by which people filter runs in Prefect, for example `grade:C`."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What the validator measures an answer against, masked; for example the amount asked for."""
    prefill: dict[str, Any] = Field(default_factory=dict)
    """Defaults of the form's fields. Constraints stay in force."""
    timeout_seconds: int | None = None
    """How long this request waits; None leaves it to the desk."""
    remind_after_seconds: int | None = None
    """When whoever is asked is reminded, counted from the request; None never."""
    escalate_after_seconds: int | None = None
    """When the request goes to `escalate_to`, counted from the request; None never."""
    escalate_to: Role | None = None
    on_timeout: HitlOnTimeout = HitlOnTimeout.EXPIRE
    """What the system declares when nobody answers. Never an approval."""
    deadlines_version: str = ""
    """Which deadlines these are, as `<name>/<version>`."""
    remark: str = ""
    """Why the last answer did not count, where this is asked again."""


class ReviewStatus(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CLOSED = "closed"
    """Nobody need answer: the run has ended, or what led to the question does not count."""


class Claim(Contract):
    """Somebody has taken a request off the pile, for a while."""

    reviewer: str
    until: Moment


class Review(Contract):
    """One request at one gate, and how it ended."""

    run_id: str
    gate: str
    attempt: Annotated[int, Field(ge=1)]
    """Grows with every time this gate had to ask in this run."""
    visit: Annotated[int, Field(ge=1)]
    """Which time the run came to this gate; several attempts may belong to one visit."""
    status: ReviewStatus
    request: ReviewRequest
    opened_at: Moment
    due_at: Moment
    fields: dict[str, Any] | None = None
    """The form as it was filled in."""
    by: Answerer | None = None
    answered_at: Moment | None = None
    objection: str = ""
    """Why the answer does not count, where it was rejected."""
    claim: Claim | None = None
    """Who works on it; None when nobody does, or no longer."""

    @property
    def request_id(self) -> str:
        """What an answer names to be bound to this request, unique in its run."""
        return f"{self.gate}-{self.attempt}"

    @property
    def is_overdue(self) -> bool:
        """Whether it still waits although its time is up."""
        return self.status is ReviewStatus.OPEN and self.due_at < datetime.now(UTC)

    @property
    def is_void(self) -> bool:
        """Whether no answer to it can count any more, so that the gate asks again."""
        return self.status in {ReviewStatus.REJECTED, ReviewStatus.CLOSED}

    @property
    def is_still_asked(self) -> bool:
        """Whether to ask again is to go on asking this: no answer to it has ever counted."""
        return self.status is ReviewStatus.REJECTED and self.answered_at is None

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """What the answer says beyond a decision: each value with the one that was asked about."""
        told = {"gate", "decision", "reviewer", "reason"}
        return {
            name: {"before": self.request.facts.get(name), "after": value}
            for name, value in (self.fields or {}).items()
            if name not in told and value not in (None, "", [])
        }

    @property
    def waited_seconds(self) -> float:
        return (self.answered_at - self.opened_at).total_seconds() if self.answered_at else 0.0
