"""Lost workers: which crashes count, which sweep is first, and how the run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prefect.states import (
    AwaitingRetry,
    Running,
    Suspended,
)

from data.contracts.errors import ConflictError, LeaseLostError
from data.contracts.events import Event, EventType
from data.contracts.runs import RetryState, RunStatus
from data.metrics import LEASES_LOST
from flows.runtime.host.process_ids import this_host
from flows.runtime.ledger import cancellations, figures, journal, leases, retries, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.worker import lost_workers
from flows.runtime.worker.lost_workers import Outcome
from tests.flows.runtime.entries import draft, flow_run_of, left_behind, written
from tests.flows.runtime.prefect_server import PrefectServer


def dead(instance: str = "now") -> str:
    """The name, on a lease, of a process of this host that has ended."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    return f"{this_host()}:{ended.stdout.strip()}:mark:{instance}"


async def again(ledger: Ledger, run_id: str, owner: str) -> None:
    assert await ledger.write(leases.acquire_lease, run_id, owner, 60) is not None


async def test_a_run_whose_worker_has_died_here_goes_back_into_the_queue_at_once(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    server = PrefectServer({flow_run_of(run_id): Running()})

    await lost_workers.requeue_abandoned(server.client, ledger, "now")

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.lease_owner) == (RunStatus.QUEUED, None)
    assert run.retry_state.crashes == 1
    assert "worker_lost" in (await written(ledger, run_id))[-1]
    (lost,) = await ledger.read(figures.totals)
    assert (lost.metric, lost.count) == (LEASES_LOST.name, 1)
    assert server.states[flow_run_of(run_id)].name == AwaitingRetry().name


async def test_a_worker_that_lives_keeps_its_run_until_its_lease_has_run_out(
    ledger: Ledger,
) -> None:
    owner = f"{this_host()}:{os.getpid()}:mark:now"
    run_id = await left_behind(ledger, owner)
    server = PrefectServer({flow_run_of(run_id): Running()})

    await lost_workers.requeue_abandoned(server.client, ledger, "now")
    before = await ledger.read(runs.find, run_id)
    await ledger.write(leases.renew_leases, owner, -1)
    await lost_workers.requeue_abandoned(server.client, ledger, "now")
    after = await ledger.read(runs.find, run_id)

    assert (before.status, before.lease_owner) == (RunStatus.RUNNING, owner)
    assert (after.status, after.lease_owner) == (RunStatus.QUEUED, None)


async def test_two_crashes_in_one_stage_make_a_run_be_executed_alone(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead())
    server = PrefectServer({flow_run_of(run_id): Running()})

    await lost_workers.requeue_abandoned(server.client, ledger, "now")
    first = await ledger.read(runs.find, run_id)
    await again(ledger, run_id, dead())
    await lost_workers.requeue_abandoned(server.client, ledger, "now")

    assert not first.is_quarantined
    assert (await ledger.read(runs.find, run_id)).is_quarantined


async def test_crashes_in_different_stages_do_not_add_up(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead(), phase="check")
    server = PrefectServer({flow_run_of(run_id): Running()})

    for phase in ("check", "decide", "check"):
        with ledger.writing() as connection:
            journal.append(connection, run_id, [], phase=phase)
        await lost_workers.requeue_abandoned(server.client, ledger, "now")
        await again(ledger, run_id, dead())

    assert not (await ledger.read(runs.find, run_id)).is_quarantined


async def test_five_crashes_and_no_progress_set_a_run_aside_with_a_clear_error(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    server = PrefectServer({flow_run_of(run_id): Running()})
    states = []

    for _ in range(5):
        await lost_workers.requeue_abandoned(server.client, ledger, "now")
        states.append((await ledger.read(runs.find, run_id)).status)
        if states[-1] is RunStatus.QUEUED:
            await again(ledger, run_id, dead())

    run = await ledger.read(runs.find, run_id)
    assert states == [RunStatus.QUEUED] * 4 + [RunStatus.FAILED]
    assert run.error is not None
    assert (run.error["code"], run.error["stage"]) == ("worker_killer", "check")
    assert server.states[flow_run_of(run_id)].is_crashed()


async def test_the_end_of_the_whole_desk_does_not_count_as_a_crash(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead("yesterday"))
    server = PrefectServer({flow_run_of(run_id): Running()})

    for _ in range(6):
        await lost_workers.requeue_abandoned(server.client, ledger, "today")
        await again(ledger, run_id, dead("yesterday"))

    run = await ledger.read(runs.find, run_id)
    assert run.retry_state == RetryState()
    assert run.status is RunStatus.RUNNING


async def test_a_run_that_has_ended_is_not_said_to_have_lost_its_worker(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead())
    with ledger.writing() as connection:
        done = draft("run.completed", 1.0, EventType.RUN_COMPLETED)
        journal.append(connection, run_id, [done], status=RunStatus.COMPLETED)
    before = await written(ledger, run_id)

    await lost_workers.requeue_abandoned(PrefectServer().client, ledger, "now")

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.lease_owner) == (RunStatus.COMPLETED, None)
    assert await written(ledger, run_id) == before


async def test_a_run_whose_worker_died_while_it_fell_asleep_falls_asleep_again(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    with ledger.writing() as connection:
        journal.append(connection, run_id, [], status=RunStatus.WAITING)
    server = PrefectServer({flow_run_of(run_id): Suspended()})  # perhaps without its form

    await lost_workers.requeue_abandoned(server.client, ledger, "now")

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.retry_state.crashes) == (RunStatus.WAITING, 0)
    assert server.states[flow_run_of(run_id)].name == AwaitingRetry().name


async def test_of_two_sweeps_only_the_first_reclaims_a_lease(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    seen = await ledger.read(runs.find, run_id)

    first, told = await ledger.write(lost_workers._reclaim_lease, seen, "now")
    counted = (await ledger.read(runs.find, run_id)).retry_state
    second, told_again = await ledger.write(lost_workers._reclaim_lease, seen, "now")

    assert (first, second) == (Outcome.REQUEUED, Outcome.KEPT)
    assert [event.meta["code"] for event in told] == ["worker_lost"]
    assert told_again == []
    assert (await ledger.read(runs.find, run_id)).retry_state == counted


async def test_a_journal_never_begins_with_a_lost_worker(ledger: Ledger) -> None:
    run_id = str(uuid4())
    await ledger.write(runs.register, run_id, "application:x", application_id="x")
    await again(ledger, run_id, dead())

    await lost_workers.requeue_abandoned(PrefectServer().client, ledger, "now")

    assert await written(ledger, run_id) == []
    assert (await ledger.read(runs.find, run_id)).retry_state.crashes == 1


async def test_a_worker_that_was_given_up_writes_nothing_before_another_takes_the_run_either(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    await lost_workers.requeue_abandoned(PrefectServer().client, ledger, "now")
    before = await written(ledger, run_id)

    with pytest.raises(LeaseLostError):
        await ledger.write(journal.append, run_id, [draft("too late")], epoch=1)

    assert await written(ledger, run_id) == before


async def test_a_container_with_the_same_name_is_not_taken_for_this_host(ledger: Ledger) -> None:
    host, rest = dead().split(":", 1)
    run_id = await left_behind(ledger, f"{host}0:{rest}")

    await lost_workers.requeue_abandoned(PrefectServer().client, ledger, "now")

    assert (await ledger.read(runs.find, run_id)).status is RunStatus.RUNNING


async def test_a_resumed_run_is_not_stopped_by_a_request_that_came_too_late_before(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    await ledger.write(cancellations.ask_to_stop, run_id)
    await ledger.write(journal.append, run_id, [], epoch=1, status=RunStatus.FAILED)
    await ledger.write(leases.release_lease, run_id, 1)

    await ledger.write(retries.reopen, run_id, "olga")

    assert await ledger.write(leases.acquire_lease, run_id, "host:2:worker:now", 60) == 2


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.WAITING, RunStatus.COMPLETED])
async def test_only_a_run_that_has_failed_is_requeued(ledger: Ledger, status: RunStatus) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    with ledger.writing() as connection:
        journal.append(connection, run_id, [], status=status)

    with pytest.raises(ConflictError, match="cannot be resumed"):
        await ledger.write(retries.reopen, run_id, "olga")

    assert (await ledger.read(runs.find, run_id)).status is status


async def test_a_run_that_is_queued_already_is_not_requeued_under_a_worker_s_hands(
    ledger: Ledger,
) -> None:
    run_id = str(uuid4())
    await ledger.write(runs.register, run_id, "application:x", application_id="x")

    assert await ledger.write(retries.reopen, run_id, "olga") == []


async def test_a_crash_leaves_the_other_counts_as_they_are_and_the_journal_tells_of_crashes_only(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    counted = RetryState(retries=3, startup_failures=1, not_before=datetime(2026, 1, 1, tzinfo=UTC))
    await ledger.write(journal.append, run_id, [], epoch=1, retry_state=counted)

    await lost_workers.requeue_abandoned(PrefectServer().client, ledger, "now")

    found = (await ledger.read(runs.find, run_id)).retry_state
    assert found == counted.model_copy(update={"crash_place": "check/0", "crashes": 1})
    lost = Event.model_validate_json((await written(ledger, run_id))[-1])
    assert lost.meta == {
        "code": "worker_lost",
        "execution": 1,
        "crashes": 1,
        "is_quarantined": False,
        "quarantine_crashes": 0,
    }


async def test_in_quarantine_a_new_checkpoint_starts_the_count_again(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead())
    counted = RetryState(is_quarantined=True, quarantine_at=2, quarantine_crashes=2)
    await ledger.write(journal.append, run_id, [], epoch=1, retry_state=counted)

    await lost_workers.requeue_abandoned(PrefectServer().client, ledger, "now")

    found = (await ledger.read(runs.find, run_id)).retry_state
    assert (found.quarantine_at, found.quarantine_crashes) == (0, 1)
    assert (await ledger.read(runs.find, run_id)).status is RunStatus.QUEUED
