"""Requests that wait: the first valid answer wins, exactly once, and never too late."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from data.contracts.errors import AlreadyAnsweredError, GateNotFoundError, ReviewTimeoutError
from data.contracts.review import Answerer, Channel, Review, ReviewRequest, ReviewStatus, Role
from flows.runtime.ledger import reviews
from flows.runtime.ledger.database import Ledger

RUN = "run-1"
MONA = Answerer(reviewer="Mona", roles=(Role.UNDERWRITER,), channel=Channel.HTTP)
YES: dict[str, Any] = {"decision": "grant"}
NO: dict[str, Any] = {"decision": "refuse"}


async def asked(
    ledger: Ledger, run_id: str = RUN, gate: str = "manager", visit: int = 1, seconds: int = 60
) -> Review:
    request = ReviewRequest(
        role=Role.UNDERWRITER,
        title="A long absence",
        summary="9 days",
        facts={"days": 9},
        timeout_seconds=seconds,
    )
    return await ledger.write(reviews.ask, run_id, gate, visit, request)


async def read(ledger: Ledger, gate: str = "manager") -> Review:
    review = await ledger.read(reviews.latest, RUN, gate)
    assert review is not None
    return review


async def test_a_request_is_open_and_keeps_what_was_asked(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)

    assert (review.status, review.attempt, review.visit) == (ReviewStatus.OPEN, 1, 1)
    assert review.request.facts == {"days": 9}
    assert (review.due_at - review.opened_at).total_seconds() == 60
    assert review == await read(any_ledger)


async def test_a_request_without_a_time_of_its_own_is_due_after_a_week(any_ledger: Ledger) -> None:
    request = ReviewRequest(role=Role.OPERATOR, title="t", summary="s")

    review = await any_ledger.write(reviews.ask, RUN, "manager", 1, request)

    assert (review.due_at - review.opened_at).total_seconds() == 7 * 24 * 3600


async def test_of_twenty_answers_at_once_one_counts(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)

    outcomes = await asyncio.gather(
        *(any_ledger.write(reviews.answer, review, {"n": n}, MONA) for n in range(20)),
        return_exceptions=True,
    )

    assert outcomes.count(True) == 1
    assert sum(isinstance(outcome, AlreadyAnsweredError) for outcome in outcomes) == 19
    kept = await read(any_ledger)
    assert kept.fields == {"n": outcomes.index(True)}
    assert (kept.status, kept.by) == (ReviewStatus.ANSWERED, MONA)
    assert kept.answered_at is not None
    assert kept.waited_seconds == (kept.answered_at - kept.opened_at).total_seconds()


async def test_the_same_answer_under_the_same_key_is_no_conflict(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)
    outcomes = await asyncio.gather(
        *(any_ledger.write(reviews.answer, review, YES, MONA, "key-1") for _ in range(10))
    )

    assert sorted(outcomes) == [False] * 9 + [True]


@pytest.mark.parametrize(
    ("fields", "by", "key"),
    [
        (NO, MONA, "key-1"),
        (YES, MONA.model_copy(update={"reviewer": "Max"}), "key-1"),
        (YES, MONA, "key-2"),
        (YES, MONA, None),
    ],
    ids=["another answer", "another person", "another key", "no key"],
)
async def test_any_other_second_answer_is_one_too_many(
    any_ledger: Ledger, fields: dict[str, Any], by: Answerer, key: str | None
) -> None:
    review = await asked(any_ledger)
    await any_ledger.write(reviews.answer, review, YES, MONA, "key-1")

    with pytest.raises(AlreadyAnsweredError, match="'manager' has been answered"):
        await any_ledger.write(reviews.answer, review, fields, by, key)

    assert (await read(any_ledger)).fields == YES


async def test_after_its_time_a_request_takes_no_answer(any_ledger: Ledger) -> None:
    review = await asked(any_ledger, seconds=-1)

    with pytest.raises(ReviewTimeoutError, match="was due at"):
        await any_ledger.write(reviews.answer, review, YES, MONA)

    assert (await read(any_ledger)).fields is None


async def test_a_rejected_answer_makes_room_for_a_new_attempt(any_ledger: Ledger) -> None:
    first = await asked(any_ledger)
    await any_ledger.write(reviews.reject, first, "too many days")

    second = await asked(any_ledger, seconds=7)

    assert (second.attempt, second.visit) == (2, 1)
    assert (second.opened_at, second.due_at) == (first.opened_at, first.due_at)
    assert second.request == first.request.model_copy(update={"remark": "too many days"})
    assert await any_ledger.write(reviews.answer, second, YES, MONA)
    with pytest.raises(AlreadyAnsweredError):
        await any_ledger.write(reviews.answer, first, YES, MONA)


async def test_the_next_attempt_begins_with_what_was_typed(any_ledger: Ledger) -> None:
    first = await asked(any_ledger)
    await any_ledger.write(reviews.reject, first, "too many days", {"days": 31})

    second = await asked(any_ledger)

    assert (second.request.prefill, second.request.remark) == ({"days": 31}, "too many days")


async def test_an_answer_that_came_in_meanwhile_is_not_rejected(any_ledger: Ledger) -> None:
    first = await asked(any_ledger)
    await any_ledger.write(reviews.answer, first, YES, MONA)

    await any_ledger.write(reviews.reject, first, "typed elsewhere, and wrong")

    kept = await read(any_ledger)
    assert (kept.status, kept.fields, kept.objection) == (ReviewStatus.ANSWERED, YES, "")


async def test_an_answer_that_counts_no_more_voids_what_was_asked_because_of_it(
    any_ledger: Ledger,
) -> None:
    await asked(any_ledger, gate="before")
    first = await asked(any_ledger)
    await any_ledger.write(reviews.answer, first, YES, MONA, "key-1")
    await asked(any_ledger, gate="director")
    answered = await read(any_ledger)

    await any_ledger.write(reviews.reject, answered, "the rules have changed")
    second = await asked(any_ledger, seconds=7)

    rejected = (await any_ledger.read(reviews.of_run, RUN))[1]
    assert (rejected.status, rejected.fields) == (ReviewStatus.REJECTED, YES)
    assert rejected.objection == second.request.remark == "the rules have changed"
    assert (await read(any_ledger, "director")).status is ReviewStatus.CLOSED
    assert (await read(any_ledger, "before")).status is ReviewStatus.OPEN
    assert answered.answered_at is not None
    assert second.opened_at > answered.answered_at
    assert (second.due_at - second.opened_at).total_seconds() == 7
    assert await any_ledger.read(reviews.resolve_target, RUN, "manager", "key-1") == second


async def test_every_visit_has_a_request_of_its_own(any_ledger: Ledger) -> None:
    first = await asked(any_ledger, visit=1)
    await any_ledger.write(reviews.answer, first, YES, MONA)
    await asked(any_ledger, visit=2)

    of_first = await any_ledger.read(reviews.latest, RUN, "manager", 1)
    of_second = await any_ledger.read(reviews.latest, RUN, "manager", 2)

    assert of_first is not None
    assert of_second is not None
    assert (of_first.status, of_second.status) == (ReviewStatus.ANSWERED, ReviewStatus.OPEN)
    assert await any_ledger.read(reviews.latest, RUN, "manager", 3) is None


async def test_the_inbox_holds_what_is_open_the_most_urgent_first(any_ledger: Ledger) -> None:
    await asked(any_ledger, "late", seconds=500)
    await asked(any_ledger, "soon", seconds=5)
    done = await asked(any_ledger, "done", seconds=1)
    await any_ledger.write(reviews.answer, done, YES, MONA)

    everything = await any_ledger.read(reviews.page, limit=100)
    of_one = await any_ledger.read(reviews.open_of, ["late"])

    assert [review.run_id for review in everything] == ["soon", "late"]
    assert [review.run_id for review in of_one] == ["late"]


async def test_an_answer_is_delivered_once_it_has_woken_the_run(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)
    assert await any_ledger.read(reviews.undelivered) == []
    await any_ledger.write(reviews.answer, review, YES, MONA)
    assert [left.run_id for left in await any_ledger.read(reviews.undelivered)] == [RUN]

    await any_ledger.write(reviews.mark_delivered, review)

    assert await any_ledger.read(reviews.undelivered) == []


async def test_an_answer_is_meant_for_the_open_request(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)

    assert await any_ledger.read(reviews.resolve_target, RUN, "manager", None) == review
    assert await any_ledger.read(reviews.get_open, RUN, None) == review


async def test_a_repeated_answer_is_meant_for_the_request_it_was_first_for(
    any_ledger: Ledger,
) -> None:
    first = await asked(any_ledger, visit=1)
    await any_ledger.write(reviews.answer, first, YES, MONA, "key-1")
    second = await asked(any_ledger, visit=2)

    repeated = await any_ledger.read(reviews.resolve_target, RUN, "manager", "key-1")
    new = await any_ledger.read(reviews.resolve_target, RUN, "manager", "key-2")

    assert (repeated.attempt, new.attempt) == (first.attempt, second.attempt)


async def test_a_gate_that_never_asked_is_not_found(any_ledger: Ledger) -> None:
    await asked(any_ledger)

    with pytest.raises(GateNotFoundError, match="has not asked at this gate"):
        await any_ledger.read(reviews.get_open, RUN, "director")
    with pytest.raises(GateNotFoundError, match="any gate"):
        await any_ledger.read(reviews.get_open, "another", None)


async def test_a_gate_that_was_answered_says_so(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)
    await any_ledger.write(reviews.answer, review, YES, MONA)

    with pytest.raises(AlreadyAnsweredError):
        await any_ledger.read(reviews.get_open, RUN, "manager")
