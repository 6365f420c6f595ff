"""Whom compliance has cleared against an entry of a watchlist, and the export of screenings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from data.contracts.base import canonical_json
from data.contracts.errors import AuthorityError
from data.contracts.review import Person, Review
from data.contracts.runs import Clearance, Lineage
from data.contracts.screening import WATCHLIST_RECORD, WatchlistScreening
from data.settings import Settings
from flows.case import case_on_file
from flows.runtime.ledger import applications, chunks, clearances, restricted, runs
from flows.runtime.ledger.runs import Run
from flows.service.requests import (
    Caller,
    ClaimRequest,
    ClearancePage,
    ScreeningPage,
    ScreeningRecord,
)
from tools.personal_data_filter import require_no_personal_data
from tools.watchlist import load_screening_terms

_GATE, _CLEARS = "compliance", "clear"


def propose(
    connection: sa.Connection,
    settings: Settings,
    review: Review,
    fields: dict[str, Any],
    by: Person,
) -> None:
    """Enter clearances for what an answer has just cleared; a second person has to confirm them."""
    if review.gate != _GATE or fields.get("decision") != _CLEARS:
        return
    screening = screening_of(connection, runs.find(connection, review.run_id))
    if screening is None:
        return
    days = timedelta(days=load_screening_terms(settings.data_dir).clearance_days)
    subjects = {
        candidate.subject: f"{candidate.source}/{candidate.entry_id}"
        for candidate in screening.candidates
        if candidate.subject in screening.doubtful
    }
    valid_until = (datetime.now(UTC) + days).date()
    clearances.propose(connection, review.run_id, tuple(subjects.items()), by, valid_until)


def confirm(
    connection: sa.Connection,
    settings: Settings,
    clearance_id: str,
    request: ClaimRequest,
    caller: Caller,
) -> Clearance:
    """Let a clearance count, as the second person.

    Raises RecordNotFoundError; AuthorityError for the person who cleared the match or submitted the
    application, and without a proven identity on a desk with keys; ConflictError when another
    person has confirmed it; ContractViolationError for a name that repeats personal data.
    """
    if settings.requires_identity and not caller.proven:
        raise AuthorityError("a clearance needs a person whom an API key or a sign-in proves")
    found = clearances.find(connection, clearance_id)
    run = runs.find(connection, found.run_id)
    by = caller.person if caller.proven else Person(name=request.reviewer)
    if not caller.proven:
        case = case_on_file(applications.filed(connection, run.application_id))
        require_no_personal_data(case, {"/reviewer": request.reviewer})
    submitter = Person(name=run.submitted_by, principal=run.submitted_by_principal)
    if run.submitted_by and by.is_same_as(submitter):
        raise AuthorityError("the person who submitted an application cannot confirm its clearance")
    return clearances.confirm(connection, clearance_id, by)


def screenings(connection: sa.Connection, limit: int, cursor: str) -> ScreeningPage:
    """A page of the screenings of all runs, in the order of their ids."""
    rows = restricted.page(connection, WATCHLIST_RECORD, limit=limit + 1, after=cursor)
    items = tuple(
        ScreeningRecord(
            run_id=run_id, application_id=application_id, screened_at=when, screening=document
        )
        for run_id, application_id, when, document in rows[:limit]
    )
    return ScreeningPage(items=items, next_cursor=items[-1].run_id if len(rows) > limit else None)


def batch_screenings(connection: sa.Connection, batch_id: str, number: int) -> list[bytes]:
    """The screenings of the applications that a chunk of a batch decided, as lines of JSON.

    A referred application is screened by the batch too; its run keeps that screening.
    """
    when = chunks.written_at(connection, batch_id, number)
    kept = map(json.loads, chunks.restricted(connection, batch_id, number))
    return [
        canonical_json(
            ScreeningRecord(
                batch_id=batch_id,
                application_id=found["application_id"],
                screened_at=when,
                screening=found["document"],
            )
        )
        for found in kept
        if found["name"] == WATCHLIST_RECORD
    ]


def clearance_page(connection: sa.Connection, limit: int, cursor: str) -> ClearancePage:
    """A page of clearances, in the order of their ids."""
    found = clearances.page(connection, limit=limit + 1, after=cursor)
    items = tuple(found[:limit])
    more = len(found) > limit
    return ClearancePage(items=items, next_cursor=items[-1].clearance_id if more else None)


def screening_of(connection: sa.Connection, run: Run) -> WatchlistScreening | None:
    """The whole screening of a run; of the run it was forked from, where it shares that stage.

    None for a run of the time when the state held the whole screening.
    """
    while True:
        document = restricted.find(connection, run.run_id, WATCHLIST_RECORD)
        if document is not None:
            return WatchlistScreening.model_validate(document)
        if run.lineage is None:
            return None
        run = runs.find(connection, Lineage.model_validate(run.lineage).parent_run_id)
