"""Transactions beside each other: readers see one state, writers do not undo each other."""

from __future__ import annotations

import asyncio
import time

import pytest
import sqlalchemy as sa

from data.contracts.errors import ConflictError, UnavailableError
from data.contracts.runs import RunStatus
from flows.runtime.ledger import database, journal, retries, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_run, draft


async def test_a_reader_sees_one_state_of_the_journal_and_of_its_run(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await any_ledger.write(journal.append, RUN, [draft("first")])

    with any_ledger.reading() as reader:
        before = journal.read(reader, RUN)
        await any_ledger.write(journal.append, RUN, [draft("second")])
        seen, run = journal.read(reader, RUN), runs.find(reader, RUN)

    assert seen == before
    assert run.last_event_id == len(before)


async def test_a_second_resume_does_not_undo_the_end_that_the_first_one_led_to(
    any_ledger: Ledger,
) -> None:
    await a_run(any_ledger, status=RunStatus.FAILED)
    first = any_ledger.engine.connect()
    transaction = first.begin()
    retries.reopen(first, RUN, "Una")

    second = asyncio.create_task(any_ledger.write(retries.reopen, RUN, "Otto"))
    await asyncio.sleep(0.2)  # the second one has begun, and cannot see the first one's work yet
    journal.append(first, RUN, [draft("run.completed")], status=RunStatus.COMPLETED)
    transaction.commit()
    first.close()

    with pytest.raises(ConflictError, match="completed"):
        await second
    assert (await any_ledger.read(runs.find, RUN)).status is RunStatus.COMPLETED


async def test_a_write_that_waits_for_a_lock_holds_up_no_read(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    held = any_ledger.engine.connect()
    transaction = held.begin()
    held.execute(sa.text("update runs set phase = 'held'"))
    waiting = [
        asyncio.create_task(any_ledger.write(journal.append, RUN, [draft(str(n))]))
        for n in range(20)
    ]
    await asyncio.sleep(0.1)

    began = time.monotonic()
    await any_ledger.read(runs.find, RUN)
    took = time.monotonic() - began
    transaction.rollback()
    held.close()
    await asyncio.gather(*waiting)

    assert took < 2
    assert (await any_ledger.read(runs.find, RUN)).last_event_id == 20


async def test_a_caller_that_waits_for_a_thread_can_be_cut_off_and_has_written_nothing(
    any_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_run(any_ledger)
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.3)
    held = any_ledger.engine.connect()
    transaction = held.begin()
    held.execute(sa.text("update runs set phase = 'held'"))
    under_way = [
        asyncio.create_task(any_ledger.write(journal.append, RUN, [draft(str(n))]))
        for n in range(4)
    ]
    await asyncio.sleep(0.1)

    with pytest.raises(UnavailableError, match=r"busy|locked"):
        await any_ledger.write(journal.append, RUN, [draft("cut off")])

    transaction.rollback()
    held.close()
    await asyncio.gather(*under_way, return_exceptions=True)
    keys = await any_ledger.read(journal.is_told, RUN, "cut off")
    assert not keys
