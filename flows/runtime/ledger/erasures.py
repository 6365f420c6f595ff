"""Erasing personal data: what a person sent goes, a tombstone with its digests stays.

Decisions, journals and checkpoints hold no personal data and are not touched. A legal hold on a run
of the application, or a run that goes on, forbids it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import sqlalchemy as sa

from data.contracts.errors import ConflictError, RecordNotFoundError
from flows.runtime.ledger import model_answers, notes, parties, referrals
from flows.runtime.ledger.applications import unpacked
from flows.runtime.ledger.database import now
from flows.runtime.ledger.runs import LIVE
from flows.runtime.ledger.tables import NOT_ERASED, applications, documents, restricted, runs


def due(
    connection: sa.Connection, ended_before: str, limit: int, kept_by: str = ""
) -> dict[str, str]:
    """The applications, the longest filed first, whose last run ended before that moment, and when.

    Without those that a rule of `kept_by` keeps for longer. An application that rules of another
    name keep is asked about again.
    """
    ended = (
        sa.select(sa.func.max(runs.c.updated_at))
        .where(runs.c.application_id == applications.c.application_id)
        .scalar_subquery()
    )
    query = (
        sa.select(applications.c.application_id, ended.label("ended"))
        .where(NOT_ERASED, applications.c.received_at < ended_before)
        .where((applications.c.kept_by != kept_by) | (applications.c.kept_until <= now()))
        .where(ended < ended_before, ~_kept())
        .order_by(applications.c.received_at)
        .limit(limit)
    )
    return {row.application_id: row.ended for row in connection.execute(query)}


def last_ended(connection: sa.Connection, application_id: str) -> str | None:
    """When the last run of an application ended; None where it has no run."""
    of_application = runs.c.application_id == application_id
    query = sa.select(sa.func.max(runs.c.updated_at)).where(of_application)
    found: str | None = connection.execute(query).scalar_one()
    return found


def keep_until(
    connection: sa.Connection, application_id: str, until: str, kept_for: str, kept_by: str
) -> None:
    """Let no round look at an application again before that moment, unless the rules change."""
    this = applications.c.application_id == application_id
    connection.execute(
        applications.update()
        .where(this, NOT_ERASED)
        .values(kept_until=until, kept_for=kept_for, kept_by=kept_by)
    )


def kept_for(connection: sa.Connection, kept_by: str) -> dict[str, int]:
    """How many applications are kept for longer by these rules, by what they are kept for."""
    query = (
        sa.select(applications.c.kept_for, sa.func.count())
        .where(NOT_ERASED, applications.c.kept_by == kept_by, applications.c.kept_until > now())
        .group_by(applications.c.kept_for)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def erase(
    connection: sa.Connection, application_id: str, document_sha256: Callable[[bytes], str]
) -> str:
    """Erase an application with all that is filed about it; when that was done.

    That is its people, its documents, the notes on it, and the restricted records of its runs.

    `document_sha256` digests a document out of what is filed about it, as the audit pack does. An
    application that a batch has decided is not in the vault: its people are forgotten.
    Raises RecordNotFoundError, and ConflictError while a run goes on or is under a legal hold.
    """
    this = applications.c.application_id == application_id
    row = connection.execute(
        sa.select(applications.c.erased_at, _kept().label("kept")).where(this).with_for_update()
    ).one_or_none()
    if row is None and parties.forget(connection, application_id):
        return now()
    if row is None:
        raise RecordNotFoundError("there is no application of this id")
    if row.erased_at:
        return str(row.erased_at)
    if row.kept:
        raise ConflictError(
            "a run of this application goes on or is under a legal hold: cancel it, or release"
            " the hold, and erase then"
        )
    moment = now()
    connection.execute(applications.update().where(this).values(body=b"", erased_at=moment))
    parties.forget(connection, application_id)
    notes.erase(connection, application_id)
    for filed in connection.execute(
        sa.select(documents).where(documents.c.application_id == application_id)
    ).all():
        body = unpacked(filed.body)
        connection.execute(
            documents.update()
            .where(
                documents.c.application_id == application_id,
                documents.c.document_id == filed.document_id,
            )
            .values(
                body=b"",
                sha256=document_sha256(body),
                filed_sha256=hashlib.sha256(body).hexdigest(),
            )
        )
    of_application = sa.select(runs.c.run_id).where(runs.c.application_id == application_id)
    connection.execute(restricted.delete().where(restricted.c.run_id.in_(of_application)))
    model_answers.erase(connection, application_id)
    return moment


def _kept() -> sa.ColumnElement[bool]:
    """Whether a run of the application goes on, will be opened, or is under a legal hold."""
    return sa.or_(
        sa.exists().where(
            runs.c.application_id == applications.c.application_id,
            runs.c.status.in_(LIVE) | runs.c.legal_hold.is_(sa.true()),
        ),
        referrals.is_pending(applications.c.application_id),
    )
