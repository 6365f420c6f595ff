"""The outbox: a notification is written with its event, and kept until it is taken."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from data.contracts.events import EventType
from flows.runtime.ledger import journal, outbox
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_run, draft


async def waiting(ledger: Ledger, *keys: str) -> None:
    await a_run(ledger)
    told = [draft(key, type=EventType.WAITING) for key in keys]
    await ledger.write(journal.append, RUN, told)


async def test_a_request_leaves_a_notification_and_other_events_leave_none(
    any_ledger: Ledger,
) -> None:
    await waiting(any_ledger, "waiting/1")
    await any_ledger.write(journal.append, RUN, [draft("progress")])

    (due,) = await any_ledger.read(outbox.due, 10)

    assert (due.run_id, due.event_id, due.attempts) == (RUN, 1, 0)


async def test_an_event_that_is_told_twice_leaves_one_notification(any_ledger: Ledger) -> None:
    await waiting(any_ledger, "waiting/1", "waiting/1")
    again = [draft("waiting/1", type=EventType.WAITING)]

    await any_ledger.write(journal.append, RUN, again)

    assert len(await any_ledger.read(outbox.due, 10)) == 1


async def test_a_transaction_that_fails_leaves_neither_event_nor_notification(
    any_ledger: Ledger,
) -> None:
    await a_run(any_ledger)

    def write_and_fail(connection: sa.Connection) -> None:
        journal.append(connection, RUN, [draft("waiting/1", type=EventType.WAITING)])
        raise LookupError

    with pytest.raises(LookupError):
        await any_ledger.write(write_and_fail)

    assert await any_ledger.read(outbox.due, 10) == []
    assert await any_ledger.read(journal.read, RUN) == []


async def test_of_two_processes_one_claims_a_notification(any_ledger: Ledger) -> None:
    await waiting(any_ledger, "waiting/1")
    (due,) = await any_ledger.read(outbox.due, 10)

    claims = [await any_ledger.write(outbox.claim, due) for _ in range(2)]

    assert claims == [True, False]
    assert await any_ledger.read(outbox.due, 10) == []


async def test_a_notification_that_was_not_taken_comes_again_later(any_ledger: Ledger) -> None:
    await waiting(any_ledger, "waiting/1")
    (due,) = await any_ledger.read(outbox.due, 10)
    await any_ledger.write(outbox.claim, due)

    await any_ledger.write(outbox.put_back, due)

    assert await any_ledger.read(outbox.due, 10) == []  # in five seconds


async def test_a_notification_that_was_taken_is_not_sent_again(any_ledger: Ledger) -> None:
    await waiting(any_ledger, "waiting/1")
    (due,) = await any_ledger.read(outbox.due, 10)

    await any_ledger.write(outbox.remove, due)

    assert not await any_ledger.write(outbox.claim, due)
    assert await any_ledger.read(outbox.due, 10) == []
