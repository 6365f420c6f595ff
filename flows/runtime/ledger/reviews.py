"""The requests that wait for a person: asked once, answered once; the first valid answer counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import (
    AlreadyAnsweredError,
    ClaimedError,
    GateNotFoundError,
    ReviewTimeoutError,
)
from data.contracts.review import Answerer, Review, ReviewRequest, ReviewStatus, Role, Snooze
from flows.runtime.ledger.database import now, stamp
from flows.runtime.ledger.tables import UNDELIVERED, reviews

DEFAULT_TIMEOUT_SECONDS = 7 * 24 * 3600
"""How long a request waits that does not say so itself."""


_OPEN = reviews.c.status == ReviewStatus.OPEN


def latest(
    connection: sa.Connection, run_id: str, gate: str, visit: int | None = None
) -> Review | None:
    """The newest request at a gate, of one visit or of all."""
    query = sa.select(reviews).where(reviews.c.run_id == run_id, reviews.c.gate == gate)
    if visit is not None:
        query = query.where(reviews.c.visit == visit)
    row = connection.execute(query.order_by(reviews.c.attempt.desc()).limit(1)).one_or_none()
    return _review(row) if row else None


def open_of(connection: sa.Connection, run_ids: Collection[str]) -> list[Review]:
    """The open requests of these runs, the most urgent first."""
    query = sa.select(reviews).where(reviews.c.run_id.in_(run_ids), _OPEN)
    query = query.order_by(reviews.c.due_at, reviews.c.run_id)
    return [_review(row) for row in connection.execute(query)]


def page(
    connection: sa.Connection,
    *,
    limit: int,
    after: tuple[str, str] | None = None,
    role: Role | None = None,
    snoozed: bool = False,
) -> list[Review]:
    """Open requests, the most urgent first; `after` is due time and run of the last one seen.

    Those that are snoozed now are a list of their own.
    """
    is_snoozed = reviews.c.snoozed_until > now()
    query = sa.select(reviews).where(_OPEN, is_snoozed if snoozed else sa.not_(is_snoozed))
    if role is not None:
        query = query.where(reviews.c.role == role)
    if after is not None:
        query = query.where(sa.tuple_(reviews.c.due_at, reviews.c.run_id) > sa.tuple_(*after))
    query = query.order_by(reviews.c.due_at, reviews.c.run_id).limit(limit)
    return [_review(row) for row in connection.execute(query)]


def standing(connection: sa.Connection) -> list[list[Any]]:
    """The open requests that are not snoozed now, each with the role and the person who has it."""
    names = ("run_id", "gate", "attempt", "role", "claimed_by", "claimed_until")
    awake = reviews.c.snoozed_until <= now()
    query = sa.select(*(reviews.c[name] for name in names)).where(_OPEN, awake)
    return [list(row) for row in connection.execute(query.order_by(*names[:3]))]


def place_of(review: Review) -> tuple[str, str]:
    """Where a request stands in the list of open ones."""
    return stamp(review.due_at), review.run_id


def of_run(connection: sa.Connection, run_id: str) -> list[Review]:
    """Everything that a run has ever asked, in the order in which it did."""
    query = sa.select(reviews).where(reviews.c.run_id == run_id)
    query = query.order_by(reviews.c.opened_at, reviews.c.gate, reviews.c.attempt)
    return [_review(row) for row in connection.execute(query)]


def ask(
    connection: sa.Connection,
    run_id: str,
    gate: str,
    visit: int,
    request: ReviewRequest,
    opened: datetime | None = None,
) -> Review:
    """Enter a new request, due after its own timeout or a week.

    A request that is asked again, because an answer was rejected, keeps its time, its claim and
    its role; only the facts are as they are now. After an answer that had counted, the request
    starts from the beginning.
    """
    opened = opened or datetime.now(UTC)
    timeout = timedelta(seconds=request.timeout_seconds or DEFAULT_TIMEOUT_SECONDS)
    entered: dict[str, Any] = {
        "opened_at": stamp(opened),
        "due_at": stamp(opened + timeout),
        **_times(request, opened),
    }
    last = latest(connection, run_id, gate, visit)
    if last is not None and last.is_still_asked:
        request = last.request.model_copy(update={"facts": request.facts})
        entered = _as_before(connection, last)
    if last is not None:
        begins_with = request.prefill | last.typed
        request = request.model_copy(update={"remark": last.objection, "prefill": begins_with})
    connection.execute(
        reviews.insert().values(
            run_id=run_id,
            gate=gate,
            attempt=_attempts(connection, run_id, gate) + 1,
            visit=visit,
            role=request.role,
            status=ReviewStatus.OPEN,
            request=request.model_dump(mode="json"),
            **entered,
        )
    )
    asked = latest(connection, run_id, gate)
    assert asked is not None
    return asked


def _attempts(connection: sa.Connection, run_id: str, gate: str) -> int:
    """How often this gate has asked in this run."""
    here = (reviews.c.run_id == run_id) & (reviews.c.gate == gate)
    found: int = connection.execute(sa.select(sa.func.count()).where(here)).scalar_one()
    return found


def _as_before(connection: sa.Connection, last: Review) -> dict[str, Any]:
    """The times and the claim of a request that goes on being asked."""
    return {
        "opened_at": stamp(last.opened_at),
        "due_at": stamp(last.due_at),
        "claimed_by": last.claim.reviewer if last.claim else None,
        "claimed_until": stamp(last.claim.until) if last.claim else "",
        **_times_of(connection, last),
    }


def answer(
    connection: sa.Connection,
    review: Review,
    fields: dict[str, Any],
    by: Answerer,
    idempotency_key: str | None = None,
) -> bool:
    """Record a checked answer; the first one wins.

    True when this call recorded it, False when the very same answer was recorded before under
    the same idempotency key. Otherwise raises AlreadyAnsweredError, ReviewTimeoutError, or
    ClaimedError while another reviewer works on it.
    """
    this = _this(review)
    answer = {"fields": fields, "by": by.model_dump(mode="json")}
    moment = now()
    if stamp(review.due_at) >= moment:
        won = connection.execute(
            reviews.update()
            .where(this, _OPEN, _is_free_for(by.reviewer, moment))
            .values(
                status=ReviewStatus.ANSWERED,
                answer=answer,
                answered_at=moment,
                idempotency_key=idempotency_key,
            )
        )
        if won.rowcount:
            return True
    row = connection.execute(sa.select(reviews).where(this)).one()
    if idempotency_key and row.idempotency_key == idempotency_key and row.answer == answer:
        return False
    if row.status == ReviewStatus.OPEN and row.due_at >= moment:
        raise _claimed(row)
    if row.status in {ReviewStatus.OPEN, ReviewStatus.EXPIRED}:
        raise ReviewTimeoutError(f"the request at '{review.gate}' was due at {review.due_at}")
    raise AlreadyAnsweredError(f"the request at '{review.gate}' has been answered")


def require_free(connection: sa.Connection, review: Review, reviewer: str) -> None:
    """Raise ReviewTimeoutError or ClaimedError where `answer` by this reviewer would."""
    moment = now()
    if stamp(review.due_at) < moment:
        raise ReviewTimeoutError(f"the request at '{review.gate}' was due at {review.due_at}")
    this = _this(review)
    free = sa.select(reviews.c.run_id).where(this, _is_free_for(reviewer, moment))
    if connection.execute(free).one_or_none() is None:
        raise _claimed(connection.execute(sa.select(reviews).where(this)).one())


def claim(connection: sa.Connection, review: Review, reviewer: str, minutes: int) -> Review:
    """Claim an open request for a reviewer; a reviewer who has it already keeps it longer.

    Raises ClaimedError while another reviewer has it, ReviewTimeoutError after its time.
    """
    moment = now()
    if stamp(review.due_at) < moment:
        raise ReviewTimeoutError(f"the request at '{review.gate}' was due at {review.due_at}")
    taken = connection.execute(
        reviews.update()
        .where(_this(review), _is_free_for(reviewer, moment))
        .values(
            claimed_by=reviewer,
            claimed_until=stamp(datetime.now(UTC) + timedelta(minutes=minutes)),
        )
    )
    row = connection.execute(sa.select(reviews).where(_this(review))).one()
    if not taken.rowcount:
        raise _claimed(row)
    return _review(row)


def release(connection: sa.Connection, review: Review, reviewer: str) -> Review:
    """Release a request; one that is not claimed is free already.

    Raises ClaimedError while another reviewer has it.
    """
    given_back = connection.execute(
        reviews.update()
        .where(_this(review), _is_free_for(reviewer, now()))
        .values(claimed_by=None, claimed_until="")
    )
    row = connection.execute(sa.select(reviews).where(_this(review))).one()
    if not given_back.rowcount:
        raise _claimed(row)
    return _review(row)


def snooze(connection: sa.Connection, review: Review, snooze: Snooze | None) -> Review:
    """Put an open request aside until a time, or back with None. Its deadlines do not move.

    Raises ReviewTimeoutError after its time, AlreadyAnsweredError when it was answered meanwhile,
    and ClaimedError while another reviewer has it.
    """
    by = snooze.by if snooze else ""
    if snooze:
        require_free(connection, review, by)
    changed = connection.execute(
        reviews.update()
        .where(_this(review), _OPEN)
        .values(
            snoozed_until=stamp(snooze.until) if snooze else "",
            snoozed_by=by,
            snooze_reason=snooze.reason if snooze else "",
        )
    )
    if not changed.rowcount:
        raise AlreadyAnsweredError(f"the request at '{review.gate}' has been answered")
    return _review(connection.execute(sa.select(reviews).where(_this(review))).one())


def expire(connection: sa.Connection, review: Review) -> bool:
    """Close a request whose time is up; False when it was answered before."""
    closed = connection.execute(
        reviews.update()
        .where(_this(review), _OPEN, reviews.c.due_at < now())
        .values(status=ReviewStatus.EXPIRED, answered_at=now())
    )
    return bool(closed.rowcount)


def out_of_time(connection: sa.Connection) -> list[Review]:
    """Open requests that are due, back from a snooze, to be reminded of, or to be passed on."""
    moment = now()
    behind = sa.or_(
        reviews.c.due_at < moment,
        (reviews.c.remind_at < moment) & reviews.c.reminded_at.is_(None),
        (reviews.c.escalate_at < moment) & reviews.c.escalated_at.is_(None),
        _slept_until(moment),
    )
    found = sa.select(reviews).where(_OPEN, behind)
    return [_review(row) for row in connection.execute(found.order_by(reviews.c.due_at))]


def _slept_until(moment: str) -> sa.ColumnElement[bool]:
    return (reviews.c.snoozed_until != "") & (reviews.c.snoozed_until <= moment)


def end_snooze(connection: sa.Connection, review: Review) -> bool:
    """Note that a request has come back by its time; False when that is noted, or it sleeps."""
    woken = connection.execute(
        reviews.update()
        .where(_this(review), _OPEN, _slept_until(now()))
        .values(snoozed_until="", snoozed_by="", snooze_reason="")
    )
    return bool(woken.rowcount)


def note_reminder(connection: sa.Connection, review: Review) -> bool:
    """Mark an open request as reminded of; False when it was before, or is not due to be."""
    noted = connection.execute(
        reviews.update()
        .where(
            _this(review),
            _OPEN,
            reviews.c.remind_at < now(),
            reviews.c.reminded_at.is_(None),
        )
        .values(reminded_at=now())
    )
    return bool(noted.rowcount)


def pass_on(connection: sa.Connection, review: Review) -> Review | None:
    """Hand an open request to the role that it escalates to, and take it out of other hands.

    None when that has been done before, or is not due.
    """
    if review.request.escalate_to is None:
        return None
    request = review.request.model_copy(update={"role": review.request.escalate_to})
    passed = connection.execute(
        reviews.update()
        .where(
            _this(review),
            _OPEN,
            reviews.c.escalate_at < now(),
            reviews.c.escalated_at.is_(None),
        )
        .values(
            role=request.role,
            request=request.model_dump(mode="json"),
            escalated_at=now(),
            claimed_by=None,
            claimed_until="",
            snoozed_until="",  # the next role has not chosen to wait
        )
    )
    return review.model_copy(update={"request": request}) if passed.rowcount else None


def reject(
    connection: sa.Connection, review: Review, why: str, typed: Mapping[str, Any] | None = None
) -> None:
    """Close a request whose answer does not count; the gate asks again, and tells why.

    The next form begins with the `typed` values.

    An answer that came in meanwhile stays. If this one had counted before, the requests that
    followed from it are void.
    """
    given = {"fields": review.fields, "by": review.by.model_dump(mode="json")} if review.by else {}
    rejected = connection.execute(
        reviews.update()
        .where(_this(review), reviews.c.status == review.status)
        .values(
            status=ReviewStatus.REJECTED,
            answer={**given, "objection": why, "typed": dict(typed or {})},
        )
    )
    if rejected.rowcount and review.answered_at is not None:
        later = reviews.c.opened_at > stamp(review.answered_at)
        connection.execute(
            reviews.update()
            .where(reviews.c.run_id == review.run_id, later)
            .values(status=ReviewStatus.CLOSED)
        )


def close(connection: sa.Connection, run_id: str) -> list[Review]:
    """Close what a run still asks: it has ended. Returns what it asked, as it was."""
    asked = open_of(connection, [run_id])
    if asked:
        this = (reviews.c.run_id == run_id) & _OPEN
        connection.execute(reviews.update().where(this).values(status=ReviewStatus.CLOSED))
    return asked


def mark_delivered(connection: sa.Connection, review: Review) -> None:
    """Note that the run was woken with this answer."""
    connection.execute(reviews.update().where(_this(review)).values(delivered=True))


def undelivered(connection: sa.Connection) -> list[Review]:
    """Answers that were accepted and whose run may still be asleep."""
    counts = reviews.c.status.in_([ReviewStatus.ANSWERED, ReviewStatus.EXPIRED])
    found = connection.execute(sa.select(reviews).where(UNDELIVERED, counts))
    return [_review(row) for row in found]


def get_open(connection: sa.Connection, run_id: str, gate: str | None) -> Review:
    """The request that an answer is meant for.

    Raises GateNotFoundError when the run never asked there, AlreadyAnsweredError or
    ReviewTimeoutError when it did and the matter is closed.
    """
    waiting = [r for r in open_of(connection, [run_id]) if gate in {None, r.gate}]
    if waiting:
        return waiting[0]
    past = latest(connection, run_id, gate) if gate else None
    if past is None:
        raise GateNotFoundError(f"run {run_id} has not asked at {'this' if gate else 'any'} gate")
    if past.status is ReviewStatus.EXPIRED:
        raise ReviewTimeoutError(f"the request at '{past.gate}' was due at {past.due_at}")
    raise AlreadyAnsweredError(f"the request at '{past.gate}' has been answered")


def resolve_target(
    connection: sa.Connection, run_id: str, gate: str, idempotency_key: str | None
) -> Review:
    """The request that an answer is meant for; a repeated answer means the one it was first for.

    Raises as `get_open` does.
    """
    if idempotency_key:
        row = connection.execute(
            sa.select(reviews).where(
                reviews.c.run_id == run_id,
                reviews.c.gate == gate,
                reviews.c.idempotency_key == idempotency_key,
                reviews.c.status.not_in([ReviewStatus.REJECTED, ReviewStatus.CLOSED]),
            )
        ).one_or_none()
        if row is not None:
            return _review(row)
    return get_open(connection, run_id, gate)


def _this(review: Review) -> sa.ColumnElement[bool]:
    return sa.and_(
        reviews.c.run_id == review.run_id,
        reviews.c.gate == review.gate,
        reviews.c.attempt == review.attempt,
    )


def _times(request: ReviewRequest, opened: datetime) -> dict[str, str | None]:
    """When to remind of a request and when to pass it on."""

    def at(seconds: int | None) -> str | None:
        return None if seconds is None else stamp(opened + timedelta(seconds=seconds))

    return {
        "remind_at": at(request.remind_after_seconds),
        "escalate_at": at(request.escalate_after_seconds if request.escalate_to else None),
    }


def _times_of(connection: sa.Connection, earlier: Review) -> dict[str, Any]:
    """What has been done about an earlier attempt's time counts for the next one too."""
    kept = ("remind_at", "reminded_at", "escalate_at", "escalated_at")
    row = connection.execute(sa.select(*(reviews.c[name] for name in kept)).where(_this(earlier)))
    return dict(row.one()._mapping)


def _is_free_for(reviewer: str, moment: str) -> sa.ColumnElement[bool]:
    return sa.or_(
        reviews.c.claimed_by.is_(None),
        reviews.c.claimed_by == reviewer,
        reviews.c.claimed_until < moment,
    )


def _claimed(row: sa.Row[Any, Any, Any]) -> ClaimedError:
    return ClaimedError(f"{row.claimed_by} works on this request until {row.claimed_until}")


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
            "objection": answer.get("objection", ""),
            "typed": answer.get("typed", {}),
            "claim": {"reviewer": row.claimed_by, "until": row.claimed_until}
            if row.claimed_by and row.claimed_until >= now()
            else None,
            "snooze": {
                "by": row.snoozed_by,
                "until": row.snoozed_until,
                "reason": row.snooze_reason,
            }
            if row.snoozed_until > now()
            else None,
        }
    )
