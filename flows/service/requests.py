"""What clients send and what the desk answers, beyond the contracts that stages share too."""

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
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from data.contracts.application import ApplicantRole, Application
from data.contracts.base import Contract, Moment, Sha256, Slug
from data.contracts.case import CaseFile, Persona
from data.contracts.documents import Document, DocumentKind, DocumentRef
from data.contracts.errors import ContractViolationError, Problem
from data.contracts.personal import ChosenId, Signature
from data.contracts.review import Channel, Claim, Review, Role
from data.contracts.runs import CheckpointEntry, Links, Message, RunOptions, RunStatus, RunSummary
from data.contracts.watchlist import ListedCandidate
from data.settings import FanOutPolicy
from tools.personal_data_filter import PersonalDataFilter


@dataclass(frozen=True)
class Caller:
    """Who asks: as far as a key proves it, or as far as somebody says so."""

    name: str
    roles: tuple[Role, ...]
    proven: bool
    channel: Channel


_BUNDLED = frozenset(CaseFile.model_fields) - frozenset(Application.model_fields)
"""What only a bundle has."""


def _as_case(value: object) -> object:
    """Read the three forms of a case: an application, a bundle, a persona file.

    Each is checked by its own contract, so that a pointer fits what was sent.
    """
    if not isinstance(value, dict):
        return value
    if "persona" in value:
        return _with_discreet_ids(Persona.model_validate(value).case, "application")
    if not _BUNDLED.isdisjoint(value):
        return _with_discreet_ids(CaseFile.model_validate(value), "application")
    return _with_discreet_ids(CaseFile(application=Application.model_validate(value)))


def _with_discreet_ids(case: CaseFile, *inside: str) -> CaseFile:
    """The case, unless an id that came with it tells what is personal in it."""
    withheld, asked = PersonalDataFilter(case), case.application
    ids: dict[tuple[str | int, ...], str] = {
        (*inside, "application_id"): asked.application_id,
        (*inside, "partner_id"): asked.partner_id or "",
    } | {("documents", n, "document_id"): one.document_id for n, one in enumerate(case.documents)}
    problems = [
        InitErrorDetails(
            type=PydanticCustomError(
                "personal_data", "leave out the {repeated}: ids are repeated to others", told
            ),
            loc=where,
            input=None,
        )
        for where, chosen in ids.items()
        if (told := {"repeated": withheld.find(chosen)})["repeated"]
    ]
    if problems:
        raise ValidationError.from_exception_data("CaseFile", problems)
    return case


Case = Annotated[
    CaseFile,
    BeforeValidator(_as_case),
    WithJsonSchema(
        {
            "type": "object",
            "title": "Case",
            "description": (
                "An application alone, or a bundle `{application, documents, bureau_report,"
                " fraud_signals}`, which is also the form of a persona file."
            ),
        },
        mode="validation",
    ),
]


class StartOptions(Contract):
    """What may differ in one run. Nothing else is accepted here."""

    model_config = ConfigDict(populate_by_name=True)

    as_: Annotated[
        ChosenId | None,
        Field(alias="as", description="File a copy of the application under this other id."),
    ] = None
    fan_out_policy: FanOutPolicy | None = None
    bundle: Slug | None = None
    """The version of the decision bundle to decide by, instead of the one in force."""
    as_of_date: date | None = None
    """Decide as of this day instead of the application's own."""

    @property
    def run_options(self) -> RunOptions:
        """The part of them that goes along with the run."""
        return RunOptions(fan_out_policy=self.fan_out_policy, as_of_date=self.as_of_date)


class StartRun(Contract):
    """An application by the id it is on file under, or in full; one of the two."""

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
        """What the application is to be filed under, by pointer. The ids in it are its own."""
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
    """A person's answer at a gate. Further fields are those of the gate's own form."""

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
    """The request that is answered, as `GET /runs/{id}/hitl` names it."""

    @property
    def fields(self) -> dict[str, Any]:
        """What the gate's form is filled in with: everything but the gate itself."""
        return self.model_dump(exclude={"gate", "request_id"})


class ClaimRequest(Contract):
    """Who takes a request off the pile. A proven caller is who the key says, whatever is here."""

    model_config = ConfigDict(
        str_strip_whitespace=True, json_schema_extra={"examples": [{"reviewer": "underwriter-1"}]}
    )

    reviewer: Annotated[Signature, Field(min_length=1, max_length=100)]


class FileDocument(Contract):
    """One paper for an application's file. What can be counted is counted when it is left out."""

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
    """When it came in; by default the day that the application is decided as of."""
    pages: Annotated[int, Field(strict=True, ge=1)] = 1
    size_bytes: Annotated[int, Field(strict=True, ge=0)] | None = None
    sha256: Sha256 | None = None

    def document(self, as_of: date) -> Document:
        """The paper as a case holds it.

        Raises ContractViolationError naming the field that does not fit the content.
        """
        try:
            content = base64.b64decode(self.content_base64, validate=True)
        except ValueError:
            raise _unfit("content_base64", "not_base64", "this is not base64") from None
        digest = hashlib.sha256(content).hexdigest()
        if self.size_bytes not in {None, len(content)}:
            raise _unfit("size_bytes", "size_mismatch", "the content has another size")
        if self.sha256 not in {None, digest}:
            raise _unfit("sha256", "sha256_mismatch", "the content has another digest")
        received = self.received_at or datetime.combine(as_of, time(), UTC)
        counted = {"size_bytes": len(content), "sha256": digest, "received_at": received}
        try:
            return Document.model_validate(self.model_dump() | counted)
        except ValidationError as error:
            raise ContractViolationError.of("paper", error) from None


def _unfit(field: str, code: str, message: str) -> ContractViolationError:
    return ContractViolationError(
        f"paper: /{field}: {message}", [Problem(f"/{field}", code, message)]
    )


class FiledDocument(DocumentRef):
    """A paper on file, without its content."""

    application_id: str


class ResumeRun(Contract):
    """Go on from the last checkpoint; with a checkpoint or overrides, go on in a fork."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{}, {"checkpoint": "verification/1", "overrides": {}}]}
    )

    checkpoint: Annotated[str, Field(max_length=80)] | None = None
    """Label, or label and version, for example `verification/1`."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Inputs or pinned versions to change: amount_requested, term_months, as_of_date,
    fan_out_policy, policy, prices, scorecard, challenger."""
    decide: bool = False
    """Whether the fork may issue the application's decision; otherwise it is a what-if."""

    @model_validator(mode="after")
    def _only_a_fork_decides(self) -> Self:
        if self.decide and not self.makes_a_fork:
            raise ValueError("say where a fork that decides begins: a checkpoint, or 'start'")
        return self

    @property
    def makes_a_fork(self) -> bool:
        return self.checkpoint is not None or bool(self.overrides)


class RunPage(Contract):
    """Some runs, newest first; `next_cursor` asks for the ones before them."""

    items: tuple[RunSummary, ...]
    next_cursor: str | None = None


class RunState(Contract):
    """What a run knows so far, masked, and what its agents and people said."""

    run_id: str
    status: RunStatus
    phase: str
    state: dict[str, Any]
    checkpoints: tuple[CheckpointEntry, ...] = ()
    memory: tuple[Message, ...] = ()


class OpenRequest(Contract):
    """What a waiting run asks, with the JSON Schema of the form to fill in."""

    model_config = ConfigDict(populate_by_name=True)

    request_id: str
    """What an answer names to be bound to this request."""
    review: Review
    form_schema: Annotated[dict[str, Any], Field(alias="schema")]
    """Holds this request's defaults; constraints are those that the answer is checked by."""
    candidates: tuple[ListedCandidate, ...] = ()
    """At the `compliance` gate, and for compliance alone: whom on the list an applicant may be."""


class InboxItem(Contract):
    """One open request, as it lies in somebody's inbox."""

    run_id: str
    application_id: str
    gate: str
    role: Role
    title: str
    reasons: tuple[str, ...] = ()
    opened_at: Moment
    due_at: Moment
    age_seconds: float
    claim: Claim | None = None
    """Who works on it already."""
    facts: dict[str, Any] = Field(default_factory=dict)
    links: Links
