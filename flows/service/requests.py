"""The requests of clients and the answers of the desk, apart from the contracts of the stages."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from data.contracts.application import ApplicantRole, Application
from data.contracts.base import Contract, Day, Moment, Sha256, Slug
from data.contracts.case import CaseFile, Persona
from data.contracts.documents import Document, DocumentKind, DocumentRef
from data.contracts.errors import ContractViolationError, Problem
from data.contracts.personal import ChosenId, Lines, Signature
from data.contracts.review import Channel, Claim, Person, Review, Role, Snooze
from data.contracts.runs import (
    CheckpointEntry,
    Clearance,
    Links,
    Message,
    RunOptions,
    RunStatus,
    RunSummary,
)
from data.contracts.screening import WatchlistScreening
from data.contracts.watchlist import ListedCandidate
from data.settings import FanOutPolicy
from tools.bundles import read_case


@dataclass(frozen=True)
class Caller:
    """Who sends a request. `proven`: an API key or a sign-in proves the name."""

    name: str
    roles: tuple[Role, ...]
    proven: bool
    channel: Channel
    principal: str = ""
    """The person whom the API key or the sign-in proves; empty for a caller without one."""

    @property
    def person(self) -> Person:
        return Person(name=self.name, principal=self.principal)


Case = Annotated[
    CaseFile, BeforeValidator(read_case, json_schema_input_type=Application | CaseFile | Persona)
]


class StartOptions(Contract):
    """The options of one run."""

    model_config = ConfigDict(populate_by_name=True)

    as_: Annotated[
        ChosenId | None,
        Field(alias="as", description="File a copy of the application under this other id."),
    ] = None
    fan_out_policy: FanOutPolicy | None = None
    bundle: Slug | None = None
    """Decide by this bundle. Without it, what is in force decides. The version of the policy in
    force is taken too, and names what is in force."""
    as_of_date: Day | None = None
    """Decide as of this date instead of the application's own."""

    @property
    def run_options(self) -> RunOptions:
        """The options that the run keeps."""
        return RunOptions(
            fan_out_policy=self.fan_out_policy, as_of_date=self.as_of_date, bundle=self.bundle
        )


class StartRun(Contract):
    """Start a run: the id of an application on file, or an application in full."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"application_id": "ada-prime"},
                {"application_id": "dee-debtor"},
                {"application_id": "bora-borderline", "options": {"as": "bora-once-more"}},
            ]
        }
    )

    application_id: ChosenId | None = None
    application: Case | None = None
    options: StartOptions = StartOptions()

    @property
    def chosen_ids(self) -> dict[str, str]:
        """The ids that the client chose for the application, by pointer."""
        given = {"/application_id": self.application_id, "/options/as": self.options.as_}
        return {pointer: chosen for pointer, chosen in given.items() if chosen}

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.application_id is None) == (self.application is None):
            raise PydanticCustomError(
                "exactly_one", "give either application_id or application, and not both"
            )
        return self


class Answer(Contract):
    """A person's answer at a gate. Further fields are the fields of the gate's own form."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "gate": "underwriter",
                    "decision": "approve",
                    "reviewer": "underwriter-1",
                    "reason": "Long tenure, savings of six payments",
                }
            ]
        },
    )

    gate: Annotated[str, Field(max_length=64)]
    decision: Annotated[str, Field(max_length=64)]
    reviewer: Annotated[Signature, Field(max_length=200)]
    reason: Annotated[str, Field(max_length=5000)]
    request_id: Annotated[str, Field(max_length=80)] | None = None
    """The request that this answers, as `GET /runs/{id}/hitl` names it."""

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the gate's form."""
        return self.model_dump(exclude={"gate", "request_id"})


class ClaimRequest(Contract):
    """The reviewer who claims a request. With an API key, the name of the key counts instead."""

    model_config = ConfigDict(
        str_strip_whitespace=True, json_schema_extra={"examples": [{"reviewer": "underwriter-1"}]}
    )

    reviewer: Annotated[Signature, Field(min_length=1, max_length=100)]


class SnoozeRequest(ClaimRequest):
    """Until when a request is put aside, and why."""

    model_config = ConfigDict(
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "reviewer": "underwriter-1",
                    "until": "2026-12-01T09:00:00Z",
                    "reason": "The employer calls back on Tuesday",
                }
            ]
        },
    )

    until: Moment
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class NoteRequest(ClaimRequest):
    """A note on a case, and who writes it."""

    model_config = ConfigDict(
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {"reviewer": "underwriter-1", "text": "Called the employer: the job is permanent"}
            ]
        },
    )

    text: Annotated[Lines, Field(min_length=3, max_length=2000)]
    """Without personal data of the case: people of every role read it."""


class FileDocument(Contract):
    """A document for an application. The desk computes size and digest when they are left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document_id": "paystub-october",
                    "kind": "paystub",
                    "media_type": "application/json",
                    "content_base64": "e30=",
                }
            ]
        }
    )

    document_id: ChosenId
    kind: DocumentKind
    applicant: ApplicantRole = ApplicantRole.PRIMARY
    media_type: Annotated[str, Field(max_length=100)] = "application/json"
    content_base64: Annotated[str, Field(min_length=1, repr=False)]
    received_at: Moment | None = None
    """When the document came in. By default the date that the application is decided as of."""
    pages: Annotated[int, Field(strict=True, ge=1)] = 1
    size_bytes: Annotated[int, Field(strict=True, ge=0)] | None = None
    sha256: Sha256 | None = None

    def document(self, as_of: date) -> Document:
        """The document as a case holds it.

        Raises ContractViolationError with the field that does not fit the content.
        """
        try:
            content = base64.b64decode(self.content_base64, validate=True)
        except ValueError:
            raise _unfit("content_base64", "not_base64", "the content is not base64") from None
        digest = hashlib.sha256(content).hexdigest()
        if self.size_bytes not in {None, len(content)}:
            raise _unfit("size_bytes", "size_mismatch", f"the content has {len(content)} bytes")
        if self.sha256 not in {None, digest}:
            raise _unfit("sha256", "sha256_mismatch", f"the content has the digest {digest}")
        received = self.received_at or datetime.combine(as_of, time(), UTC)
        counted = {"size_bytes": len(content), "sha256": digest, "received_at": received}
        try:
            return Document.model_validate(self.model_dump() | counted)
        except ValidationError as error:
            raise ContractViolationError.of("document", error) from None


def _unfit(field: str, code: str, message: str) -> ContractViolationError:
    return ContractViolationError(
        f"document: /{field}: {message}", [Problem(f"/{field}", code, message)]
    )


class FiledDocument(DocumentRef):
    """A document on file, without its content."""

    application_id: str


class InboxPage(Contract):
    """Some open requests, the most urgent first; `next_cursor` asks for the ones after them."""

    items: tuple[InboxItem, ...]
    next_cursor: str | None = None


class ScreeningRecord(Contract):
    """The whole screening of one application, by a run or by the batch that decided it."""

    run_id: str = ""
    batch_id: str = ""
    application_id: str
    screened_at: str
    screening: WatchlistScreening


class ScreeningPage(Contract):
    """Some screenings, in the order of their runs' ids; `next_cursor` asks for further ones."""

    items: tuple[ScreeningRecord, ...]
    next_cursor: str | None = None


class ClearancePage(Contract):
    """Some clearances, in the order of their ids; `next_cursor` asks for further ones."""

    items: tuple[Clearance, ...]
    next_cursor: str | None = None


class Erased(Contract):
    """The tombstone of an application whose personal data is gone."""

    application_id: str
    erased_at: Moment


class ResumeRun(Contract):
    """Resume a run from its last checkpoint. With a checkpoint or overrides, fork it instead."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{}, {"checkpoint": "verification/1", "overrides": {}}]}
    )

    checkpoint: Annotated[str, Field(max_length=80)] | None = None
    """Label, or label and version, for example `verification/1`."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Inputs or pinned versions to change: amount_requested, term_months, as_of_date,
    fan_out_policy, policy, prices, scorecard, challenger."""
    decide: bool = False
    """Whether the fork may issue the application's decision. Otherwise it is a what-if."""

    @model_validator(mode="after")
    def _only_a_fork_decides(self) -> Self:
        if self.decide and not self.makes_a_fork:
            raise ValueError("name the checkpoint where the fork begins, or 'start'")
        return self

    @property
    def makes_a_fork(self) -> bool:
        return self.checkpoint is not None or bool(self.overrides)


class RunPage(Contract):
    """A page of runs, newest first. `next_cursor` asks for the next page."""

    items: tuple[RunSummary, ...]
    next_cursor: str | None = None


class RunState(Contract):
    """The state of a run, masked, and the messages of its agents and people."""

    run_id: str
    status: RunStatus
    phase: str
    state: dict[str, Any]
    checkpoints: tuple[CheckpointEntry, ...] = ()
    memory: tuple[Message, ...] = ()


class OpenRequest(Contract):
    """The open request of a waiting run, with the JSON Schema of its form."""

    model_config = ConfigDict(populate_by_name=True)

    request_id: str
    """An answer that names this id counts for this request only."""
    review: Review
    form_schema: Annotated[dict[str, Any], Field(alias="schema")]
    """The form with the defaults of this request and the constraints that the answer must meet."""
    candidates: tuple[ListedCandidate, ...] = ()
    """The possible matches on the watchlist: at the `compliance` gate, and for compliance only."""


class InboxItem(Contract):
    """An open request in the inbox."""

    run_id: str
    application_id: str
    gate: str
    role: Role
    title: str
    reasons: tuple[str, ...] = ()
    reason_labels: tuple[str, ...] = ()
    """The same reasons in words, as the policy in force has them."""
    opened_at: Moment
    due_at: Moment
    age_seconds: float
    claim: Claim | None = None
    """The reviewer who has claimed the request, if any."""
    snooze: Snooze | None = None
    """Until when the request is put aside, by whom, and why; None when it is not."""
    facts: dict[str, Any] = Field(default_factory=dict)
    links: Links
