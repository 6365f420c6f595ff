"""Executions that ended without a result: tried again, later each time, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from data.contracts.events import Event, EventType
from data.contracts.runs import RetryState, RunStatus
from flows.runtime.ledger import cancellations, journal, leases, retries, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run
from tests.flows.runtime.entries import draft, left_behind, written

OWNER = "host:1:worker:now"
AN_OUTAGE = timedelta(minutes=15)


async def claimed(ledger: Ledger) -> tuple[str, int]:
    """A run that was taken and not opened yet."""
    run_id = str(uuid4())
    await ledger.write(runs.register, run_id, f"application:{run_id}", application_id=run_id)
    epoch = await ledger.write(leases.acquire_lease, run_id, OWNER, 60)
    assert epoch is not None
    return run_id, epoch


def pause(run: Run) -> timedelta:
    assert run.not_before is not None
    return run.not_before - datetime.now(UTC)


async def test_each_next_try_comes_later_and_all_together_outlive_an_outage(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, OWNER)
    pauses = []

    for n in range(retries.MAX_RETRIES):
        await ledger.write(retries.schedule_retry, run_id, 1, draft(f"interrupted/{n}"))
        pauses.append(pause(await ledger.read(runs.find, run_id)))

    assert [round(length.total_seconds()) for length in pauses[:7]] == [1, 2, 4, 8, 16, 32, 60]
    assert sum(pauses, timedelta()) > AN_OUTAGE - timedelta(seconds=5)
    assert await ledger.write(retries.schedule_retry, run_id, 1, draft("interrupted/last")) is None


async def test_an_execution_that_could_not_write_its_end_is_retried_and_no_startup_failure(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, OWNER)

    written = await ledger.write(retries.record_failure, run_id, 1, is_startup_failure=False)

    run = await ledger.read(runs.find, run_id)
    assert [event.meta["code"] for event in written] == ["interrupted"]
    assert (run.status, run.retry_state.retries) == (RunStatus.QUEUED, 1)
    assert run.retry_state.startup_failures == 0


async def test_a_run_that_can_never_write_its_end_fails_at_last(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)

    for epoch in range(1, retries.MAX_RETRIES + 2):
        await ledger.write(retries.record_failure, run_id, epoch, is_startup_failure=False)
        await ledger.write(leases.release_lease, run_id, epoch)
        await ledger.write(leases.acquire_lease, run_id, OWNER, 60)

    run = await ledger.read(runs.find, run_id)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error["code"] == "unavailable"
    last = Event.model_validate_json((await written(ledger, run_id))[-1])
    assert last.type is EventType.RUN_FAILED


async def test_a_run_that_cannot_even_be_opened_fails_instead_of_being_tried_for_ever(
    ledger: Ledger,
) -> None:
    run_id, epoch = await claimed(ledger)
    statuses = []

    for number in range(retries.MAX_STARTUP_FAILURES):
        if number:
            taken = await ledger.write(leases.acquire_lease, run_id, OWNER, 60)
            assert taken is not None
            epoch = taken
        await ledger.write(retries.record_failure, run_id, epoch, is_startup_failure=True)
        await ledger.write(leases.release_lease, run_id, epoch)
        statuses.append((await ledger.read(runs.find, run_id)).status)

    run = await ledger.read(runs.find, run_id)
    assert statuses == [RunStatus.QUEUED] * (retries.MAX_STARTUP_FAILURES - 1) + [RunStatus.FAILED]
    assert run.error is not None
    assert run.error["code"] == "not_opened"
    assert len(await written(ledger, run_id)) == 1


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING, RunStatus.COMPLETED])
async def test_an_execution_that_has_said_how_it_ended_has_nothing_more_to_note(
    ledger: Ledger, status: RunStatus
) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(journal.append, run_id, [], epoch=1, status=status)

    assert await ledger.write(retries.record_failure, run_id, 1, is_startup_failure=False) == []

    assert (await ledger.read(runs.find, run_id)).retry_state == RetryState()


async def test_an_execution_that_has_lost_the_lease_counts_no_failure(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(leases.renew_leases, OWNER, -1)
    await ledger.write(leases.acquire_lease, run_id, "host:2:other:now", 60)

    assert await ledger.write(retries.record_failure, run_id, 1, is_startup_failure=True) == []

    assert (await ledger.read(runs.find, run_id)).retry_state == RetryState()


async def test_a_run_whose_lease_could_not_be_given_back_is_queued_again_and_says_so(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, OWNER)

    written = await ledger.write(retries.requeue, run_id, OWNER)

    run = await ledger.read(runs.find, run_id)
    assert [event.meta["code"] for event in written] == ["interrupted"]
    assert (run.status, run.lease_owner, run.retry_state) == (RunStatus.QUEUED, None, RetryState())


async def test_a_run_that_another_worker_holds_is_not_queued_again(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:2:other:now")

    assert await ledger.write(retries.requeue, run_id, OWNER) == []

    assert (await ledger.read(runs.find, run_id)).lease_owner == "host:2:other:now"


async def test_a_run_that_could_not_be_opened_in_an_outage_is_retried_and_no_startup_failure(
    ledger: Ledger,
) -> None:
    run_id, epoch = await claimed(ledger)

    for _ in range(retries.MAX_RETRIES):
        written = await ledger.write(
            retries.record_failure, run_id, epoch, is_startup_failure=False
        )
        assert written == []  # a journal begins with its run's start
        await ledger.write(leases.release_lease, run_id, epoch)
        taken = await ledger.write(leases.acquire_lease, run_id, OWNER, 60)
        assert taken is not None
        epoch = taken

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.retry_state.retries) == (RunStatus.RUNNING, retries.MAX_RETRIES)


async def test_startup_failures_are_counted_from_zero_when_the_run_was_opened(
    ledger: Ledger,
) -> None:
    run_id, epoch = await claimed(ledger)
    counted = []

    for is_startup_failure in (True, True, None, True):
        if is_startup_failure:
            await ledger.write(retries.record_failure, run_id, epoch, is_startup_failure=True)
            counted.append((await ledger.read(runs.find, run_id)).retry_state.startup_failures)
        await ledger.write(leases.release_lease, run_id, epoch)
        taken = await ledger.write(leases.acquire_lease, run_id, OWNER, 60)
        assert taken is not None
        epoch = taken

    assert counted == [1, 2, 1]


async def test_a_run_that_was_asked_to_stop_ends_when_it_is_queued_again(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.ask_to_stop, run_id)

    written = await ledger.write(retries.requeue, run_id, OWNER)

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.lease_owner) == (RunStatus.CANCELLED, None)
    assert written[-1].type is EventType.RUN_CANCELLED
