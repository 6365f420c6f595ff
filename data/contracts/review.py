"""A gate's request to a reviewer, and the answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from data.contracts.base import Contract, Moment
from data.settings import HitlOnTimeout


class Role(StrEnum):
    """The role of a user at the desk. The authority file sets the amounts for each role."""

    INTAKE = "intake"
    UNDERWRITER = "underwriter"
    SENIOR_UNDERWRITER = "senior_underwriter"
    COMPLIANCE = "compliance"
    OPERATOR = "operator"
    VIEWER = "viewer"


_CREDIT = (Role.UNDERWRITER, Role.SENIOR_UNDERWRITER)

MAY_ANSWER: Mapping[str, tuple[Role, ...]] = {
    "documents": (Role.INTAKE, *_CREDIT),
    "compliance": (Role.COMPLIANCE,),
    "underwriter": _CREDIT,
    "second_approval": _CREDIT,
}
"""The roles that may answer at each gate. The deadlines may ask no other role."""


class Channel(StrEnum):
    """The channel through which an answer came."""

    HTTP = "http"
    CLI = "cli"
    PAGE = "page"
    PREFECT_UI = "prefect_ui"
    SYSTEM = "system"


class Person(Contract):
    """A person of the lender: the name, and the principal that an API key or an issuer proves.

    A principal identifies one person, however many keys they hold and however these are named.
    """

    name: str
    principal: str = ""
    """Empty for a person who only typed a name."""

    def is_same_as(self, other: Person) -> bool:
        """Whether two of them are one person: by principal if both have one, else by name.

        The name of a person without a principal may also be the principal of the other. Names are
        the same apart from spaces, case and Unicode composition. A name in look-alike letters of
        another script counts as another name. Only keys prevent that.
        """
        if self.principal and other.principal:
            # A key's principal is stored folded; the one of an issuer is kept as the issuer has it.
            return folded_name(self.principal) == folded_name(other.principal)
        theirs = {other.principal, folded_name(other.name)} - {""}
        return not theirs.isdisjoint({self.principal, folded_name(self.name)})


def folded_name(name: str) -> str:
    """A name as it is compared with other names."""
    plain = unicodedata.normalize("NFKC", name)
    seen = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    return " ".join(seen.casefold().split())


class Answerer(Contract):
    """The reviewer who answered, and how well their identity is known."""

    reviewer: Annotated[str, Field(min_length=1, max_length=100)]
    principal: str = ""
    """The person, as the API key or the issuer proves it; empty for a typed name."""
    roles: tuple[Role, ...]
    channel: Channel
    proven: bool = False
    """Whether a key or an issuer proved the identity. Otherwise the reviewer typed the name."""
    keyed: bool = False
    """Whether the desk had API keys at that time, so that an identity could be proven."""

    @property
    def person(self) -> Person:
        return Person(name=self.reviewer, principal=self.principal)


class ReviewRequest(Contract):
    """A request to a role: the question, the reasons, and the facts needed to decide."""

    role: Role
    title: str
    summary: str
    """Markdown of less than 20 lines without personal data; shown above the form."""
    reasons: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Tags to filter runs in Prefect, for example `grade:C`."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """The masked facts that an answer is validated against, for example the requested amount."""
    prefill: dict[str, Any] = Field(default_factory=dict)
    """Default values of the form's fields. Their constraints still apply."""
    timeout_seconds: int | None = None
    """How long this request waits; None means the default of the desk."""
    remind_after_seconds: int | None = None
    """When the desk reminds the role, counted from the request; None means never."""
    escalate_after_seconds: int | None = None
    """When the request goes to `escalate_to`, counted from the request; None means never."""
    escalate_to: Role | None = None
    on_timeout: HitlOnTimeout = HitlOnTimeout.EXPIRE
    """What the desk declares when no answer arrives in time. Never an approval."""
    deadlines_version: str = ""
    """The deadlines file, as `<name>/<version>`."""
    remark: str = ""
    """Why the desk rejected the last answer, when it asks again."""


class ReviewStatus(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CLOSED = "closed"
    """No answer is needed: the run has ended, or it no longer asks this question."""


class Claim(Contract):
    """A reviewer has reserved a request for a limited time."""

    reviewer: str
    until: Moment


class Snooze(Contract):
    """A reviewer has put a request aside. It comes back by itself, and its due time stays."""

    by: str
    until: Moment
    reason: str


class Note(Contract):
    """What a person has written on a case, for the people who rule on it."""

    note_id: str
    run_id: str
    author: str
    text: str
    """Empty when it was erased with the application."""
    written_at: Moment


class Review(Contract):
    """One request at one gate, and how it ended."""

    run_id: str
    gate: str
    attempt: Annotated[int, Field(ge=1)]
    """How many requests this gate has made in this run, including this one."""
    visit: Annotated[int, Field(ge=1)]
    """How many times the run has reached this gate. One visit may have several attempts."""
    status: ReviewStatus
    request: ReviewRequest
    opened_at: Moment
    due_at: Moment
    fields: dict[str, Any] | None = None
    """The submitted form."""
    by: Answerer | None = None
    answered_at: Moment | None = None
    objection: str = ""
    """Why the desk rejected the answer."""
    typed: dict[str, Any] = Field(default_factory=dict)
    """What the rejected answer held, as far as the next form begins with it."""
    claim: Claim | None = None
    """The current claim; None when no reviewer holds one."""
    snooze: Snooze | None = None
    """None for a request that is not put aside now."""

    @property
    def request_id(self) -> str:
        """The id that an answer gives to name this request, unique in its run."""
        return f"{self.gate}-{self.attempt}"

    @property
    def is_overdue(self) -> bool:
        """Whether the request is open after its deadline."""
        return self.status is ReviewStatus.OPEN and self.due_at < datetime.now(UTC)

    @property
    def is_void(self) -> bool:
        """Whether the request accepts no answer any more, so that the gate asks again."""
        return self.status in {ReviewStatus.REJECTED, ReviewStatus.CLOSED}

    @property
    def is_still_asked(self) -> bool:
        """Whether a new request would repeat this one: it was rejected and never answered."""
        return self.status is ReviewStatus.REJECTED and self.answered_at is None

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """The values that the answer changes: each with the value before and after."""
        not_terms = {"gate", "decision", "reviewer", "reason"}
        return {
            name: {"before": self.request.facts.get(name), "after": value}
            for name, value in (self.fields or {}).items()
            if name not in not_terms and value not in (None, "", [])
        }

    @property
    def waited_seconds(self) -> float:
        return (self.answered_at - self.opened_at).total_seconds() if self.answered_at else 0.0
