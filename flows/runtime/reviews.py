"""The requests that wait for somebody: asked once, answered once, first valid answer wins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import AlreadyAnsweredError, GateNotFoundError, ReviewTimeoutError
from data.contracts.review import Answerer, Review, ReviewRequest, ReviewStatus
from flows.runtime.ledger import now, reviews


def latest(
    connection: sa.Connection, run_id: str, gate: str, visit: int | None = None
) -> Review | None:
    """The newest request at a gate, of one visit or of all."""
    query = sa.select(reviews).where(reviews.c.run_id == run_id, reviews.c.gate == gate)
    if visit is not None:
        query = query.where(reviews.c.visit == visit)
    row = connection.execute(query.order_by(reviews.c.attempt.desc()).limit(1)).one_or_none()
    return _review(row) if row else None


def open_reviews(connection: sa.Connection, run_id: str | None = None) -> list[Review]:
    """Everything that waits for somebody, most urgent first."""
    query = sa.select(reviews).where(reviews.c.status == ReviewStatus.OPEN)
    if run_id is not None:
        query = query.where(reviews.c.run_id == run_id)
    query = query.order_by(reviews.c.due_at, reviews.c.run_id)
    return [_review(row) for row in connection.execute(query)]


def ask(
    connection: sa.Connection,
    run_id: str,
    gate: str,
    visit: int,
    request: ReviewRequest,
    default_timeout: int,
) -> Review:
    """Enter a new request."""
    attempts = connection.execute(
        sa.select(sa.func.count()).where(reviews.c.run_id == run_id, reviews.c.gate == gate)
    ).scalar_one()
    opened = datetime.now(UTC)
    due = opened + timedelta(seconds=request.timeout_seconds or default_timeout)
    connection.execute(
        reviews.insert().values(
            run_id=run_id,
            gate=gate,
            attempt=attempts + 1,
            visit=visit,
            role=request.role,
            status=ReviewStatus.OPEN,
            request=request.model_dump(mode="json"),
            opened_at=_stamp(opened),
            due_at=_stamp(due),
        )
    )
    entered = latest(connection, run_id, gate)
    assert entered is not None
    return entered


def answer(
    connection: sa.Connection,
    review: Review,
    fields: dict[str, Any],
    by: Answerer,
    idempotency_key: str | None = None,
) -> bool:
    """Record a checked answer; the first one wins.

    True when this call recorded it, False when the very same answer was recorded before under
    the same idempotency key. Raises AlreadyAnsweredError or ReviewTimeoutError otherwise.
    """
    this = _this(review)
    answer = {"fields": fields, "by": by.model_dump(mode="json")}
    moment = now()
    if _stamp(review.due_at) >= moment:
        won = connection.execute(
            reviews.update()
            .where(this, reviews.c.status == ReviewStatus.OPEN)
            .values(
                status=ReviewStatus.ANSWERED,
                answer=answer,
                answered_at=moment,
                idempotency_key=idempotency_key,
            )
        )
        if won.rowcount:
            return True
    row = connection.execute(
        sa.select(reviews.c.status, reviews.c.answer, reviews.c.idempotency_key).where(this)
    ).one()
    if idempotency_key and row.idempotency_key == idempotency_key and row.answer == answer:
        return False
    if row.status in {ReviewStatus.OPEN, ReviewStatus.EXPIRED}:
        raise ReviewTimeoutError(f"the request at '{review.gate}' was due at {review.due_at}")
    raise AlreadyAnsweredError(f"the request at '{review.gate}' has been answered")


def reject(connection: sa.Connection, review: Review) -> None:
    """Close a request whose answer did not pass; the gate asks anew."""
    connection.execute(reviews.update().where(_this(review)).values(status=ReviewStatus.REJECTED))


def close(connection: sa.Connection, run_id: str) -> None:
    """Close what a run still asks: it has ended."""
    connection.execute(
        reviews.update()
        .where(reviews.c.run_id == run_id, reviews.c.status == ReviewStatus.OPEN)
        .values(status=ReviewStatus.CLOSED)
    )


def mark_delivered(connection: sa.Connection, review: Review) -> None:
    """Note that the run was woken with this answer."""
    connection.execute(reviews.update().where(_this(review)).values(delivered=True))


def undelivered(connection: sa.Connection) -> list[Review]:
    """Answers that were accepted and whose run may still be asleep."""
    waiting = sa.and_(
        reviews.c.status.in_([ReviewStatus.ANSWERED, ReviewStatus.EXPIRED]),
        reviews.c.delivered.is_(sa.false()),
    )
    return [_review(row) for row in connection.execute(sa.select(reviews).where(waiting))]


def the_open_one(connection: sa.Connection, run_id: str, gate: str | None) -> Review:
    """The request that an answer is meant for.

    Raises GateNotFoundError when the run never asked there, AlreadyAnsweredError or
    ReviewTimeoutError when it did and the matter is closed.
    """
    waiting = [r for r in open_reviews(connection, run_id) if gate in {None, r.gate}]
    if waiting:
        return waiting[0]
    past = latest(connection, run_id, gate) if gate else None
    if past is None:
        raise GateNotFoundError(f"run {run_id} has not asked at '{gate or 'any gate'}'")
    if past.status is ReviewStatus.EXPIRED:
        raise ReviewTimeoutError(f"the request at '{past.gate}' was due at {past.due_at}")
    raise AlreadyAnsweredError(f"the request at '{past.gate}' has been answered")


def meant(connection: sa.Connection, run_id: str, gate: str, idempotency_key: str | None) -> Review:
    """The request that an answer is meant for; a repeated answer means the one it was first for.

    Raises as `the_open_one` does.
    """
    if idempotency_key:
        row = connection.execute(
            sa.select(reviews).where(
                reviews.c.run_id == run_id,
                reviews.c.gate == gate,
                reviews.c.idempotency_key == idempotency_key,
            )
        ).one_or_none()
        if row is not None:
            return _review(row)
    return the_open_one(connection, run_id, gate)


def _this(review: Review) -> sa.ColumnElement[bool]:
    return sa.and_(
        reviews.c.run_id == review.run_id,
        reviews.c.gate == review.gate,
        reviews.c.attempt == review.attempt,
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _review(row: sa.Row[Any, Any, Any]) -> Review:
    answer = row.answer or {}
    return Review.model_validate(
        {
            "run_id": row.run_id,
            "gate": row.gate,
            "attempt": row.attempt,
            "visit": row.visit,
            "status": row.status,
            "request": row.request,
            "opened_at": row.opened_at,
            "due_at": row.due_at,
            "fields": answer.get("fields"),
            "by": answer.get("by"),
            "answered_at": row.answered_at,
        }
    )
