"""Contracts of HTTP answers that no other way in needs: problems, probes, tickets and views."""

from __future__ import annotations

import operator
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from data.contracts.after_decision import ConditionState, OfferState
from data.contracts.application import (
    ApplicantRole,
    Channel,
    Consent,
    Employment,
    NonNegativeMoney,
    OtherIncome,
    Ownership,
    Product,
    Purpose,
    Residency,
    StateCode,
)
from data.contracts.base import Contract, Day, Moment, Money, Sha256, Slug
from data.contracts.decision import DecisionContent, Offer, Outcome
from data.contracts.events import Event
from data.contracts.notices import NoticeEntry
from data.contracts.personal import Line
from data.contracts.policy import ReasonCode, Recommendation
from data.contracts.quantities import Count, Months
from data.contracts.runs import CheckpointEntry, Message


class Liveness(Contract):
    """The process answers."""

    status: str = "ok"


class Readiness(Contract):
    """Whether the desk accepts work, part by part."""

    ready: bool
    checks: dict[str, bool]


class FieldProblem(Contract):
    """One problem of one field.

    `pointer` has one form everywhere. A field of the body is a plain JSON pointer (RFC 6901) into
    the body, such as `/application/applicants/0/dob`. A parameter is a pointer that begins with
    the place of the parameter: `/query/limit`, `/path/form`, `/header/last-event-id`. The empty
    pointer is the body as a whole.
    """

    pointer: str
    code: str
    message: str


class ProblemDetails(Contract):
    """An error as in RFC 9457, with a `code` for programs. It never repeats an input."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:credit-desk:problem:contract_violation",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "/application/amount_requested: Input should be greater than 0",
                    "code": "contract_violation",
                    "instance": "/runs",
                    "errors": [
                        {
                            "pointer": "/application/amount_requested",
                            "code": "greater_than",
                            "message": "Input should be greater than 0",
                        }
                    ],
                    "error_count": 1,
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: tuple[FieldProblem, ...] = ()
    """The first problems of fields, if the error is about fields."""
    error_count: int = 0
    """How many problems of fields there are in all. `errors` lists at most 20 of them."""


class EventsTicket(Contract):
    """A short-lived replacement for an API key, for the events of one run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"ticket": "OGIwZTZmMGM.8s3Zb1c", "expires_at": "2026-11-22T08:24:14.123Z"}
            ]
        }
    )

    ticket: str
    """The value of `ticket` in `GET /runs/{run_id}/events?ticket=…`."""
    expires_at: Moment
    """A stream has to be opened before this time. It may stay open afterwards."""


class DecisionRecord(Contract):
    """The decision on an application: the reproducible content in its envelope."""

    decision_id: Slug
    run_id: str
    """Empty where a batch has decided by itself."""
    batch_id: str = ""
    """The batch that has decided, or that referred the case to people in this run; empty for a run
    that was submitted by itself."""
    application_id: Slug
    decided_at: Moment
    content: DecisionContent
    content_sha256: Sha256
    """The digest of the content's canonical JSON."""
    offer: OfferState | None = None
    """The offer as it stands today; None for a decision without one."""
    conditions: tuple[ConditionState, ...] = ()
    """The conditions as they stand today."""
    notices: tuple[NoticeEntry, ...] = ()
    """The letters, one per applicant. Empty for a withdrawn application, and for a decision that is
    older than the store of letters."""


class RunDecision(Contract):
    """The decision in a run summary.

    It holds `recommendation` alone from the stage `policy` on, and every field from the stage
    `decision` on.
    """

    recommendation: Recommendation | None
    outcome: Outcome | None = None
    reasons: tuple[ReasonCode, ...] = ()
    offer: Offer | None = None
    content_sha256: Sha256 | None = None
    what_if: bool = False
    """Whether the run is a what-if, whose decision does not count."""


class InboxChange(Contract):
    """That the inbox has changed, as a frame of `GET /inbox/events`."""

    open: Annotated[int, Field(ge=0)]
    """How many requests are open."""
    state: str
    """Another text for each other set of open requests, roles and claims."""


class AgUiEvent(Contract):
    """One event of AG-UI; its other members depend on its type, as the protocol says."""

    model_config = ConfigDict(extra="allow")

    type: str


class AddressView(Contract):
    """An address with the street masked."""

    line1: str
    city: Line
    state: StateCode
    postal_code: str
    since: date | None
    until: date | None
    ownership: Ownership


class ApplicantView(Contract):
    """An applicant with the personal data masked. Some roles read the names in full."""

    role: ApplicantRole
    first_name: str
    middle_name: str
    last_name: str
    suffix: str
    dob: str
    """The year of birth."""
    residency: Residency
    ssn: str
    """`***` and the last four digits."""
    email: str | None
    phone: str | None
    addresses: tuple[AddressView, ...]
    employment: Employment
    other_income: tuple[OtherIncome, ...]
    housing_payment_monthly: NonNegativeMoney
    dependents: Count
    military_covered_borrower: bool | None


class ApplicationView(Contract):
    """An application in which every personal field is a masked string."""

    schema_version: Literal[1]
    application_id: Slug
    received_at: Moment
    as_of_date: date
    channel: Channel
    product: Product
    purpose: Purpose
    amount_requested: Money
    term_months: Months
    state: StateCode | None
    applicants: tuple[ApplicantView, ...]
    consent: Consent | None
    collateral_value: Money | None
    partner_id: Slug | None
    first_payment_on: Annotated[Day | None, Field(exclude_if=operator.not_)] = None


class ChainedEvent(Contract):
    """A journal entry of an audit pack, with the digest of it and of all entries before it."""

    event: Event
    chain: Sha256


class PackSignature(Contract):
    """The signature of an audit pack."""

    algorithm: str
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """The fingerprint of the public key."""
    value: str
    """The signature in base64."""


class AuditPack(Contract):
    """The whole record of a run in one signed file."""

    schema_version: Literal[1]
    kind: Literal["credit-desk-audit"]
    code_version: str
    run: dict[str, Any]
    journal: tuple[ChainedEvent, ...]
    checkpoints: tuple[CheckpointEntry, ...]
    memory: tuple[Message, ...]
    findings: dict[str, Any]
    reviews: tuple[dict[str, Any], ...]
    decision: dict[str, Any] | None
    digests: dict[str, Sha256]
    """The digest of each section."""
    signature: PackSignature
