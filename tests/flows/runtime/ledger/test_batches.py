"""The register of batches: one per content, one driver at a time, one end, a whole journal."""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.errors import LeaseLostError, RecordNotFoundError, UnavailableError
from data.contracts.events import Event, EventType
from data.contracts.review import Person
from data.contracts.runs import RunStatus
from flows.runtime.ledger import batch_driver, batch_ends, batches, journal
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger

OLA = Person(name="Ola", principal="ola")


async def registered(ledger: Ledger, content: str = "a", **options: Any) -> tuple[Batch, bool]:
    return await ledger.write(
        batches.register,
        content * 64,
        options,
        path=f"/inbox/{content}.jsonl",
        file_name=f"{content}.jsonl",
        is_copy=False,
        submitted_by=OLA,
    )


async def begin(ledger: Ledger, batch: Batch) -> Batch:
    return await ledger.write(batch_driver.begin, batch.batch_id, "flow-run-1", 0)


async def told(ledger: Ledger, batch: Batch) -> list[Event]:
    bodies = await ledger.read(journal.read, batch.batch_id)
    return [Event.model_validate_json(body) for body in bodies]


async def test_the_same_content_and_options_are_the_same_batch(any_ledger: Ledger) -> None:
    first, is_new = await registered(any_ledger)
    again, is_new_again = await registered(any_ledger)
    other, _ = await registered(any_ledger, as_of_date="2026-11-22")
    another, _ = await registered(any_ledger, "b")

    assert (is_new, is_new_again) == (True, False)
    assert again.batch_id == first.batch_id
    assert again.person == OLA
    assert len({first.batch_id, other.batch_id, another.batch_id}) == 3
    listed = await any_ledger.read(batches.page, limit=10)
    assert [batch.batch_id for batch in listed] == [
        another.batch_id,
        other.batch_id,
        first.batch_id,
    ]


@pytest.mark.parametrize(
    ("code", "goes_on"), [("chunks_failed", True), (batches.NO_GOOD_ROW, False)]
)
async def test_a_failed_batch_goes_on_when_it_is_submitted_again_unless_no_row_is_good(
    any_ledger: Ledger, code: str, goes_on: bool
) -> None:
    batch, _ = await registered(any_ledger)
    await begin(any_ledger, batch)
    error = {"code": code, "message": "it failed"}
    await any_ledger.write(batch_ends.fail, batch.batch_id, error)

    again, is_started = await registered(any_ledger)

    assert is_started is goes_on
    assert again.status is (RunStatus.QUEUED if goes_on else RunStatus.FAILED)
    assert (again.error is None) is goes_on


async def test_a_driver_that_was_replaced_writes_nothing(any_ledger: Ledger) -> None:
    batch, _ = await registered(any_ledger)
    first = await begin(any_ledger, batch)
    second = await begin(any_ledger, batch)
    tell: Any = (EventType.BATCH_PROGRESS, "5 of 10 rows")

    with pytest.raises(LeaseLostError):
        await any_ledger.write(
            batch_driver.tell, batch.batch_id, first.starts, *tell, key="progress/5"
        )
    await any_ledger.write(
        batch_driver.tell, batch.batch_id, second.starts, *tell, key="progress/5", progress=0.5
    )

    events = await told(any_ledger, batch)
    assert [(event.id, event.type) for event in events] == [
        (1, EventType.RUN_STARTED),
        (2, EventType.ERROR),
        (3, EventType.RUN_RESUMED),
        (4, EventType.BATCH_PROGRESS),
    ]
    assert (await any_ledger.read(batches.find, batch.batch_id)).progress == 0.5


async def test_a_driver_is_told_as_lost_unless_it_came_to_an_end(any_ledger: Ledger) -> None:
    batch, _ = await registered(any_ledger)
    first = await begin(any_ledger, batch)
    outage = UnavailableError("the engine is away")
    await any_ledger.write(batch_driver.interrupt, batch.batch_id, first.starts, outage)
    queued = await any_ledger.read(batches.find, batch.batch_id)
    await begin(any_ledger, batch)
    await begin(any_ledger, batch)

    lost = await any_ledger.write(batch_driver.note_loss, batch.batch_id)
    events = await told(any_ledger, batch)

    assert queued.status is RunStatus.QUEUED
    assert [event.meta["start"] for event in lost] == [3]
    errors = [(e.meta["code"], e.meta["start"]) for e in events if e.type is EventType.ERROR]
    assert errors == [("unavailable", 1), ("worker_lost", 2), ("worker_lost", 3)]


async def test_a_batch_without_a_driver_stops_at_once_and_one_with_a_driver_is_asked(
    any_ledger: Ledger,
) -> None:
    idle, _ = await registered(any_ledger)
    driven, _ = await registered(any_ledger, "b")
    await begin(any_ledger, driven)

    for batch in (idle, driven):
        await any_ledger.write(batch_ends.request_cancel, batch.batch_id)

    assert (await any_ledger.read(batches.find, idle.batch_id)).status is RunStatus.CANCELLED
    assert (await any_ledger.read(batches.find, driven.batch_id)).status is RunStatus.RUNNING
    assert await any_ledger.read(batch_ends.shall_stop, driven.batch_id)

    await any_ledger.write(batch_ends.stop, driven.batch_id)
    assert await any_ledger.write(batch_ends.stop, driven.batch_id) == []
    assert (await told(any_ledger, driven))[-1].type is EventType.RUN_CANCELLED


async def test_a_batch_ends_once(any_ledger: Ledger) -> None:
    batch, _ = await registered(any_ledger)
    started = await begin(any_ledger, batch)
    await any_ledger.write(batch_driver.wait, batch.batch_id, started.starts, 3)

    await any_ledger.write(batch_ends.complete, batch.batch_id, "done", {})
    assert await any_ledger.write(batch_ends.complete, batch.batch_id, "done", {}) == []
    failed = {"code": "x", "message": "y"}
    assert await any_ledger.write(batch_ends.fail, batch.batch_id, failed) == []

    types = [event.type for event in await told(any_ledger, batch)]
    assert types == [EventType.RUN_STARTED, EventType.WAITING, EventType.RUN_COMPLETED]
    assert await any_ledger.read(journal.standing, batch.batch_id) == (3, True)


async def test_journals_of_runs_and_batches_are_followed_alike(any_ledger: Ledger) -> None:
    batch, _ = await registered(any_ledger)
    await begin(any_ledger, batch)

    assert await any_ledger.read(journal.heads, [batch.batch_id, "unknown"]) == {batch.batch_id: 1}
    with pytest.raises(RecordNotFoundError):
        await any_ledger.read(journal.standing, "unknown")
