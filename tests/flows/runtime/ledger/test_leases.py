"""Leases: one worker per run, a later epoch with every change of hands."""

from __future__ import annotations

import asyncio

import pytest

from data.contracts.errors import LeaseLostError
from data.contracts.runs import RunStatus
from flows.runtime.ledger import cancellations, journal, leases, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_claimed_run, a_run, draft


async def test_of_twenty_workers_one_gets_the_run(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    epochs = await asyncio.gather(
        *(
            any_ledger.write(leases.acquire_lease, RUN, f"host:{n}:worker:now", 60)
            for n in range(20)
        )
    )

    assert sorted(epoch for epoch in epochs if epoch is not None) == [1]
    assert (await any_ledger.read(runs.find, RUN)).status is RunStatus.RUNNING


async def test_every_change_of_hands_has_a_later_epoch(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    epochs = []
    for _ in range(3):
        epoch = await any_ledger.write(leases.acquire_lease, RUN, "host:1:worker:now", 60)
        assert epoch is not None
        epochs.append(epoch)
        await any_ledger.write(leases.release_lease, RUN, epoch)

    assert epochs == [1, 2, 3]


async def test_a_lease_that_has_run_out_may_be_taken(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger, seconds=-1)

    (left,) = await any_ledger.read(leases.abandoned)
    epoch = await any_ledger.write(leases.acquire_lease, RUN, "host:2:other:now", 60)

    assert (left.run_id, left.lease_owner) == (RUN, "host:1:worker:now")
    assert epoch == 2
    assert (await any_ledger.read(runs.find, RUN)).lease_owner == "host:2:other:now"
    assert await any_ledger.read(leases.abandoned) == []


async def test_a_lease_that_is_renewed_is_not_taken(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger, seconds=-1)

    held = await any_ledger.write(leases.renew_leases, "host:1:worker:now", 60)

    assert held == {RUN}
    assert await any_ledger.write(leases.acquire_lease, RUN, "host:2:other:now", 60) is None


async def test_a_worker_that_lost_a_run_learns_so_when_renewing(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger, seconds=-1)
    await any_ledger.write(leases.acquire_lease, RUN, "host:2:other:now", 60)

    assert await any_ledger.write(leases.renew_leases, "host:1:worker:now", 60) == set()


@pytest.mark.parametrize(
    "status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED], ids=str
)
async def test_no_worker_gets_a_run_that_has_ended(any_ledger: Ledger, status: RunStatus) -> None:
    await a_run(any_ledger, status=status)

    assert await any_ledger.write(leases.acquire_lease, RUN, "host:1:worker:now", 60) is None


async def test_no_worker_gets_a_run_that_shall_stop(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await any_ledger.write(cancellations.ask_to_stop, RUN)

    assert await any_ledger.write(leases.acquire_lease, RUN, "host:1:worker:now", 60) is None


async def test_no_worker_gets_a_run_that_does_not_exist(any_ledger: Ledger) -> None:
    assert await any_ledger.write(leases.acquire_lease, "run-9", "host:1:worker:now", 60) is None


async def test_a_released_run_is_queued_again_unless_it_waits_or_has_ended(
    any_ledger: Ledger,
) -> None:
    statuses = {}
    for status in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.COMPLETED):
        epoch = await a_claimed_run(any_ledger, status.value)
        await any_ledger.write(
            journal.append, status.value, [draft("a")], epoch=epoch, status=status
        )
        await any_ledger.write(leases.release_lease, status.value, epoch)
        statuses[status] = (await any_ledger.read(runs.find, status.value)).status

    assert statuses == {
        RunStatus.RUNNING: RunStatus.QUEUED,
        RunStatus.WAITING: RunStatus.WAITING,
        RunStatus.COMPLETED: RunStatus.COMPLETED,
    }
    owners = {(await any_ledger.read(runs.find, status.value)).lease_owner for status in statuses}
    assert owners == {None}


async def test_a_late_release_leaves_the_new_worker_its_lease(any_ledger: Ledger) -> None:
    old = await a_claimed_run(any_ledger, seconds=-1)
    await any_ledger.write(leases.acquire_lease, RUN, "host:2:other:now", 60)

    await any_ledger.write(leases.release_lease, RUN, old)

    run = await any_ledger.read(runs.find, RUN)
    assert (run.lease_owner, run.status) == ("host:2:other:now", RunStatus.RUNNING)


async def test_a_lost_lease_is_an_error_with_its_run_and_epoch(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger)

    with pytest.raises(LeaseLostError, match=r"run-1 .* lease 7"):
        await any_ledger.write(leases.require_lease, RUN, 7)


async def test_a_worker_that_has_given_the_lease_back_holds_it_no_more(any_ledger: Ledger) -> None:
    epoch = await a_claimed_run(any_ledger)
    await any_ledger.write(leases.release_lease, RUN, epoch)

    with pytest.raises(LeaseLostError):
        await any_ledger.write(leases.require_lease, RUN, epoch)


@pytest.mark.parametrize(
    "status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED], ids=str
)
async def test_after_the_end_an_execution_writes_nothing_more(
    any_ledger: Ledger, status: RunStatus
) -> None:
    epoch = await a_claimed_run(any_ledger)
    await any_ledger.write(journal.append, RUN, [draft("end")], epoch=epoch, status=status)

    with pytest.raises(LeaseLostError):
        await any_ledger.write(journal.append, RUN, [draft("another end")], epoch=epoch)
