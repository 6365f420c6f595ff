"""What people do at a gate: read the request, claim it, release it, answer it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import (
    AlreadyAnsweredError,
    ConflictError,
    ContractViolationError,
    Problem,
    StaleRequestError,
)
from data.contracts.events import Event, EventType
from data.contracts.review import Answerer, Claim, Review, ReviewStatus, Snooze
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.case import ReviewCase, case_on_file, review_case
from flows.review_forms import CaseForm, bound, form_at
from flows.runtime.execution.gate_form import filled_in, judge
from flows.runtime.ledger import applications, journal, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run
from flows.service import cleared
from flows.service.requests import Answer, Caller, ClaimRequest, SnoozeRequest
from tools.personal_data_filter import require_no_personal_data


@dataclass(frozen=True)
class Judged:
    """An answer that meets every rule, and the request that it is for."""

    review: Review
    form: CaseForm
    by: Answerer
    about: ReviewCase

    @property
    def fields(self) -> dict[str, Any]:
        """The filled-in form as the ledger keeps it."""
        return self.form.model_dump(mode="json")


async def record(
    ledger: Ledger,
    settings: Settings,
    run_id: str,
    answer: Answer,
    caller: Caller,
    idempotency_key: str | None = None,
    request_id: str | None = None,
) -> Review:
    """Check an answer and record it. The first valid answer counts, exactly once.

    An answer that names its request (`request_id`, there or in the answer) counts for that request
    only. Raises StaleRequestError when the run asks something else by now, GateNotFoundError,
    AuthorityError, AnswerRejectedError, AlreadyAnsweredError, ClaimedError, ReviewTimeoutError,
    and ConflictError when the run has ended; nothing is changed then.
    """
    found = await ledger.read(judged, settings, run_id, answer, caller, idempotency_key, request_id)
    review, fields, by = found.review, found.fields, found.by

    def enter(connection: sa.Connection) -> Review:
        if reviews.answer(connection, review, fields, by, idempotency_key):
            cleared.propose(connection, settings, review, fields, by.person)
        return review.model_copy(update={"fields": fields})

    return await ledger.write(enter)


def judged(
    connection: sa.Connection,
    settings: Settings,
    run_id: str,
    answer: Answer,
    caller: Caller,
    idempotency_key: str | None = None,
    request_id: str | None = None,
) -> Judged:
    """Hold an answer to every rule, by the run's own case. Raises as `record` does."""
    run = runs.find(connection, run_id)
    review = _target(connection, run, answer, idempotency_key)
    if {request_id, answer.request_id} - {None, review.request_id}:
        raise StaleRequestError(
            f"the run asks for {review.request_id} by now: read the request again"
        )
    return _judged(connection, settings, run, review, answer, caller)


def _target(
    connection: sa.Connection, run: Run, answer: Answer, idempotency_key: str | None
) -> Review:
    """The request that an answer is for; of a run that was cancelled, that is what is said."""
    try:
        return reviews.resolve_target(connection, run.run_id, answer.gate, idempotency_key)
    except AlreadyAnsweredError:
        if run.status is RunStatus.CANCELLED:
            raise ConflictError(f"run {run.run_id} has ended: it was cancelled") from None
        raise


def _judged(
    connection: sa.Connection,
    settings: Settings,
    run: Run,
    review: Review,
    answer: Answer,
    caller: Caller,
) -> Judged:
    about = review_case(connection, run)
    form = bound(form_at(answer.gate), about)
    proven_name = {"reviewer": caller.name} if caller.proven else {}
    filled = filled_in(form, answer.fields | proven_name)
    by = Answerer(
        reviewer=filled.reviewer,
        roles=form.acting_as(review.request, caller.roles),
        principal=caller.principal,
        channel=caller.channel,
        proven=caller.proven,
        keyed=caller.proven or settings.requires_identity,
    )
    if review.status is ReviewStatus.OPEN:  # or it repeats an answer that was judged before
        if run.status.has_ended:
            raise ConflictError(f"run {run.run_id} has ended: it is {run.status.value}")
        judge(filled, review.request, by, applications.document_ids(connection, run.run_id))
    return Judged(review, filled, by, about)


async def claim(
    ledger: Ledger, run_id: str, request: ClaimRequest, caller: Caller, minutes: int
) -> Claim:
    """Keep what a run asks for one reviewer, for so many minutes; again, to keep it longer.

    Raises GateNotFoundError, AlreadyAnsweredError, ReviewTimeoutError, AuthorityError for a role
    that may not answer there, ContractViolationError for a name that repeats personal data of the
    case, and ClaimedError while another reviewer has it.
    """
    reviewer = await ledger.read(_reviewer, run_id, request, caller)

    def take(connection: sa.Connection) -> Claim:
        review = _claimable(connection, run_id, caller)
        taken = reviews.claim(connection, review, reviewer, minutes).claim
        assert taken is not None
        return taken

    return await ledger.write(take)


async def release(ledger: Ledger, run_id: str, request: ClaimRequest, caller: Caller) -> None:
    """Put back what a reviewer has claimed. Raises as `claim` does."""
    reviewer = await ledger.read(_reviewer, run_id, request, caller)

    def put_back(connection: sa.Connection) -> None:
        reviews.release(connection, _claimable(connection, run_id, caller), reviewer)

    await ledger.write(put_back)


async def snooze(
    ledger: Ledger, run_id: str, request: SnoozeRequest, caller: Caller
) -> tuple[Snooze, list[Event]]:
    """Put a request aside until a time before it is due, and tell of it. Raises as `claim` does.

    Raises ContractViolationError for a time that is over or after the due time, and for a reason
    that repeats personal data of the case.
    """
    reviewer = await ledger.read(_reviewer, run_id, request, caller)

    def put_aside(connection: sa.Connection) -> tuple[Snooze, list[Event]]:
        run = runs.find(connection, run_id, lock=True)
        review = _claimable(connection, run_id, caller)
        _require_before_due(request.until, review)
        case = case_on_file(applications.filed(connection, run.application_id))
        require_no_personal_data(case, {"/reason": request.reason})
        wanted = Snooze(by=reviewer, until=request.until, reason=request.reason)
        reviews.snooze(connection, review, wanted)
        said = f"Snoozed by {reviewer}: {review.request.title}"
        about = {"by": reviewer, "until": request.until.isoformat()}
        return wanted, _told(connection, run, review, EventType.HITL_SNOOZED, said, about)

    return await ledger.write(put_aside)


async def wake(ledger: Ledger, run_id: str, request: ClaimRequest, caller: Caller) -> list[Event]:
    """Take a snoozed request back into the inbox, and tell of it. Raises as `claim` does.

    One that is not put aside stays as it is. One that comes back by its time is told of by a sweep.
    """
    reviewer = await ledger.read(_reviewer, run_id, request, caller)

    def take_back(connection: sa.Connection) -> list[Event]:
        run = runs.find(connection, run_id, lock=True)
        review = _claimable(connection, run_id, caller)
        if review.snooze is None:
            return []
        reviews.snooze(connection, review, None)
        said = f"Taken back by {reviewer}: {review.request.title}"
        return _told(connection, run, review, EventType.HITL_WOKEN, said, {"by": reviewer})

    return await ledger.write(take_back)


def _told(
    connection: sa.Connection,
    run: Run,
    review: Review,
    type: EventType,
    message: str,
    meta: dict[str, str],
) -> list[Event]:
    """Tell the run's followers what a person did with a request, each time that it is done."""
    key = f"{type.value}/{review.request_id}/{run.last_event_id}"
    meta = {"gate": review.gate, **meta}
    draft = journal.draft_event(run, key, type, message, meta, here=True)
    return journal.append(connection, run.run_id, [draft])


def _require_before_due(until: datetime, review: Review) -> None:
    if not datetime.now(UTC) < until < review.due_at:
        message = "choose a time from now on and before the request is due"
        raise ContractViolationError(message, [Problem("/until", "out_of_range", message)])


def _claimable(connection: sa.Connection, run_id: str, caller: Caller) -> Review:
    """What a run asks right now, of a caller who may answer it."""
    runs.find(connection, run_id)
    review = reviews.get_open(connection, run_id, None)
    form_at(review.gate).require_role(review.request, caller.roles)
    return review


def _reviewer(connection: sa.Connection, run_id: str, request: ClaimRequest, caller: Caller) -> str:
    """Who claims: as the key says; without a key as the caller says, which others will read."""
    _claimable(connection, run_id, caller)
    if caller.proven:
        return caller.name
    run = runs.find(connection, run_id)
    case = case_on_file(applications.filed(connection, run.application_id))
    require_no_personal_data(case, {"/reviewer": request.reviewer})
    return request.reviewer
