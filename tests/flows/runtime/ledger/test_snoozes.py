"""Requests that are put aside: out of the list, back by themselves, and no later due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from data.contracts.errors import AlreadyAnsweredError, ClaimedError
from data.contracts.review import Review, Snooze
from flows.runtime.ledger import reviews
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.ledger.test_reviews import MONA, YES, asked


def _until(seconds: float, by: str = "Mona") -> Snooze:
    return Snooze(by=by, until=datetime.now(UTC) + timedelta(seconds=seconds), reason="a call")


async def _listed(ledger: Ledger, *, snoozed: bool = False) -> list[Review]:
    def read(connection: sa.Connection) -> list[Review]:
        return reviews.page(connection, limit=10, snoozed=snoozed)

    return await ledger.read(read)


async def test_a_snoozed_request_is_in_the_other_list_and_keeps_its_due_time(
    any_ledger: Ledger,
) -> None:
    review = await asked(any_ledger)
    wanted = _until(30)

    await any_ledger.write(reviews.snooze, review, wanted)

    assert await _listed(any_ledger) == []
    assert await _listed(any_ledger, snoozed=True) == [review.model_copy(update={"snooze": wanted})]
    assert await any_ledger.read(reviews.standing) == []


async def test_a_snoozed_request_comes_back_by_itself(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)

    await any_ledger.write(reviews.snooze, review, _until(-0.001))

    assert await _listed(any_ledger) == [review]
    assert await _listed(any_ledger, snoozed=True) == []


async def test_a_snoozed_request_is_taken_back(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)
    await any_ledger.write(reviews.snooze, review, _until(30))

    await any_ledger.write(reviews.snooze, review, None)

    assert await _listed(any_ledger) == [review]


async def test_a_snoozed_request_can_be_answered_and_an_answered_one_not_snoozed(
    any_ledger: Ledger,
) -> None:
    review = await asked(any_ledger)
    await any_ledger.write(reviews.snooze, review, _until(30))

    assert await any_ledger.write(reviews.answer, review, YES, MONA)
    with pytest.raises(AlreadyAnsweredError):
        await any_ledger.write(reviews.snooze, review, None)


async def test_what_another_reviewer_has_claimed_is_not_snoozed(any_ledger: Ledger) -> None:
    review = await asked(any_ledger)
    await any_ledger.write(reviews.claim, review, "Nils", 5)

    with pytest.raises(ClaimedError):
        await any_ledger.write(reviews.snooze, review, _until(30))
