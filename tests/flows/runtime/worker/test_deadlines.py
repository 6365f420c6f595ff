"""Time at the gates: each step once, in its order, and never an approval."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.errors import ReviewTimeoutError
from data.contracts.events import EventType
from data.contracts.review import (
    Answerer,
    Channel,
    Review,
    ReviewRequest,
    ReviewStatus,
    Role,
    Snooze,
)
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger import journal, retries, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import runs as table
from flows.runtime.prefect_api import feed
from flows.runtime.worker.deadlines import Enforced, enforce_deadlines
from tests.flows.runtime.entries import flow_run_of

RUN = "0b0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d"
FLOW_RUN = str(flow_run_of(RUN))
HOUR = timedelta(hours=1)
CHOSEN = Settings(api_port=8555, prefect_port=4555)
MONA = Answerer(reviewer="Mona", roles=(Role.UNDERWRITER,), channel=Channel.HTTP)
REQUEST = ReviewRequest(
    role=Role.UNDERWRITER,
    title="A long absence",
    summary="9 days",
    timeout_seconds=7 * 3600,
    remind_after_seconds=2 * 3600,
    escalate_after_seconds=4 * 3600,
    escalate_to=Role.SENIOR_UNDERWRITER,
)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have gone to Prefect's event feed."""
    heard: list[Any] = []
    monkeypatch.setattr(feed, "publish", heard.extend)
    return heard


async def asked(
    ledger: Ledger, ago: timedelta, request: ReviewRequest = REQUEST, visit: int = 1
) -> Review:
    """A run that has been waiting for so long."""

    def enter(connection: sa.Connection) -> Review:
        runs.register(
            connection,
            RUN,
            "application:leave-1",
            application_id="leave-1",
            flow_run_id=FLOW_RUN,
            status=RunStatus.WAITING,
            phase="approval",
        )
        opened = datetime.now(UTC) - ago
        return reviews.ask(connection, RUN, "manager", visit, request, opened)

    return await ledger.write(enter)


async def written(ledger: Ledger) -> list[dict[str, Any]]:
    return [json.loads(body) for body in await ledger.read(journal.read, RUN)]


async def current(ledger: Ledger) -> Review:
    found = await ledger.read(reviews.latest, RUN, "manager")
    assert found is not None
    return found


async def test_nothing_is_done_before_its_time(any_ledger: Ledger) -> None:
    await asked(any_ledger, HOUR)

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()
    assert await written(any_ledger) == []


async def test_a_reminder_says_who_is_waited_for_until_when_and_where(any_ledger: Ledger) -> None:
    review = await asked(any_ledger, 3 * HOUR)

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced(reminded=1)

    (reminder,) = await written(any_ledger)
    assert reminder["type"] == EventType.HITL_REMINDED
    assert reminder["status"] == "waiting"
    assert reminder["message"] == "Still waiting for underwriter: A long absence"
    assert reminder["meta"] == {
        "gate": "manager",
        "role": "underwriter",
        "title": "A long absence",
        "due_at": review.due_at.isoformat(),
        "application_id": "leave-1",
        "links": {
            "prefect": f"http://127.0.0.1:4555/v2/runs/flow-run/{FLOW_RUN}",
            "run": f"http://127.0.0.1:8555/runs/{RUN}",
            "request": f"http://127.0.0.1:8555/runs/{RUN}/hitl",
        },
    }


async def test_a_sweep_that_looks_again_or_at_the_same_moment_reminds_no_role_twice(
    any_ledger: Ledger, told: list[Any]
) -> None:
    await asked(any_ledger, 3 * HOUR)

    done = await asyncio.gather(*(enforce_deadlines(any_ledger, CHOSEN) for _ in range(6)))
    done.append(await enforce_deadlines(any_ledger, CHOSEN))

    assert sum(enforced.reminded for enforced in done) == 1
    assert [event["type"] for event in await written(any_ledger)] == ["hitl.reminded"]
    assert [event.type for event in told] == [EventType.HITL_REMINDED]


async def test_a_request_that_comes_back_from_a_snooze_is_told_of_once(any_ledger: Ledger) -> None:
    review = await asked(any_ledger, HOUR)
    aside = Snooze(by="Mona", until=datetime.now(UTC), reason="a call")
    await any_ledger.write(reviews.snooze, review, aside)

    for _ in range(2):
        assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()

    (event,) = await written(any_ledger)
    assert (event["type"], event["status"]) == ("hitl.woken", "waiting")
    assert event["meta"] == {"gate": "manager"}
    assert await any_ledger.read(reviews.out_of_time) == []


async def test_an_escalated_request_lies_with_the_next_role_and_is_claimed_by_no_reviewer(
    any_ledger: Ledger,
) -> None:
    review = await asked(any_ledger, 5 * HOUR)
    await any_ledger.write(reviews.claim, review, "Mona", 600)

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced(escalated=1)

    passed = await current(any_ledger)
    assert passed.request.role is Role.SENIOR_UNDERWRITER
    assert (passed.claim, passed.status, passed.due_at) == (None, ReviewStatus.OPEN, review.due_at)
    (event,) = await written(any_ledger)
    assert event["type"] == EventType.HITL_ESCALATED
    assert (event["meta"]["from_role"], event["meta"]["role"]) == (
        "underwriter",
        "senior_underwriter",
    )
    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()


async def test_an_expired_request_wakes_its_run_and_takes_no_answer_any_more(
    any_ledger: Ledger,
) -> None:
    review = await asked(any_ledger, 8 * HOUR)

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced(expired=1)

    expired = await current(any_ledger)
    assert (expired.status, expired.fields, expired.by) == (ReviewStatus.EXPIRED, None, None)
    assert expired.waited_seconds == pytest.approx(8 * 3600, abs=60)
    assert [review.gate for review in await any_ledger.read(reviews.undelivered)] == ["manager"]
    with pytest.raises(ReviewTimeoutError, match="was due at"):
        await any_ledger.write(reviews.answer, review, {"decision": "grant"}, MONA)
    with pytest.raises(ReviewTimeoutError, match="was due at"):
        await any_ledger.read(reviews.get_open, RUN, "manager")
    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()


async def test_an_answer_in_time_is_not_undone(any_ledger: Ledger) -> None:
    review = await asked(any_ledger, 6 * HOUR)
    await any_ledger.write(reviews.answer, review, {"decision": "grant"}, MONA)

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()
    assert (await current(any_ledger)).status is ReviewStatus.ANSWERED
    assert not await any_ledger.write(reviews.expire, review)


async def test_an_answer_and_the_end_of_time_at_once_leave_one_of_them(any_ledger: Ledger) -> None:
    review = await asked(any_ledger, timedelta(hours=7, seconds=-0.05))

    def answer() -> Any:
        return any_ledger.write(reviews.answer, review, {"decision": "grant"}, MONA)

    async def try_to_answer() -> int:
        try:
            return int(await answer())
        except ReviewTimeoutError:
            return 0

    async def look() -> int:
        await asyncio.sleep(0.05)
        return (await enforce_deadlines(any_ledger, CHOSEN)).expired

    outcomes = await asyncio.gather(try_to_answer(), look())

    assert sum(outcomes) == 1


async def test_a_failed_run_reminds_no_role(any_ledger: Ledger) -> None:
    await asked(any_ledger, 5 * HOUR)
    await any_ledger.write(journal.append, RUN, [], status=RunStatus.FAILED)

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()


async def test_a_request_asked_again_keeps_its_time_its_role_and_what_was_done(
    any_ledger: Ledger,
) -> None:
    first = await asked(any_ledger, 5 * HOUR)
    await enforce_deadlines(any_ledger, CHOSEN)
    await any_ledger.write(reviews.reject, await current(any_ledger), "no reason given")

    again = await asked(any_ledger, timedelta())

    assert again.attempt == 2
    assert (again.due_at, again.request.role) == (first.due_at, Role.SENIOR_UNDERWRITER)
    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()


async def test_a_request_without_steps_only_expires(any_ledger: Ledger) -> None:
    plain = ReviewRequest(role=Role.OPERATOR, title="t", summary="s", timeout_seconds=3600)
    await asked(any_ledger, HOUR / 2, plain)

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()


@pytest.mark.parametrize("status", [status for status in RunStatus if status.has_ended])
async def test_whatever_ends_a_run_stops_the_clock_of_what_it_asked(
    any_ledger: Ledger, status: RunStatus
) -> None:
    await asked(any_ledger, 8 * HOUR)  # overdue

    await any_ledger.write(journal.append, RUN, [], status=status)

    assert (await current(any_ledger)).status is ReviewStatus.CLOSED
    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()


async def test_a_resumed_run_asks_anew_with_all_its_time(any_ledger: Ledger) -> None:
    first = await asked(any_ledger, 8 * HOUR)
    await any_ledger.write(journal.append, RUN, [], status=RunStatus.FAILED)
    await any_ledger.write(retries.reopen, RUN, "olga")

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()
    again = await asked(any_ledger, timedelta())

    assert again.attempt == 2
    assert again.due_at - first.due_at > 7 * HOUR


async def test_nothing_is_ruled_by_silence_about_a_run_that_has_ended(any_ledger: Ledger) -> None:
    await asked(any_ledger, 8 * HOUR)
    with any_ledger.writing() as connection:  # as a desk of an earlier version left it
        connection.execute(table.update().values(status=RunStatus.FAILED))

    assert await enforce_deadlines(any_ledger, CHOSEN) == Enforced()
    assert (await current(any_ledger)).status is ReviewStatus.CLOSED
