"""The sweep: idle runs compared with Prefect, ended ones closed there, lost ones launched again."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Suspended,
)

from data.contracts.errors import UnavailableError
from data.contracts.runs import RunStatus
from flows.runtime.ledger import leases, retries, runs
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.worker import sweep
from flows.runtime.worker.sweep import Duty, SweepCursor
from tests.flows.runtime.entries import an_idle_run, draft, flow_run_of, left_behind, written
from tests.flows.runtime.prefect_server import MOST_ANSWERED, PrefectServer, stood

DEPLOYMENT = uuid4()


async def reconcile(
    server: PrefectServer, ledger: Ledger, cursor: SweepCursor | None = None
) -> None:
    await sweep.reconcile_idle_runs(server.client, ledger, DEPLOYMENT, cursor or SweepCursor())


async def many(ledger: Ledger, status: RunStatus, number: int) -> list[str]:
    """So many runs that no worker executes, in the order of their ids."""
    run_ids = sorted(str(uuid4()) for _ in range(number))
    with ledger.writing() as connection:
        for run_id in run_ids:
            mapped = {"application_id": run_id, "flow_run_id": str(flow_run_of(run_id))}
            fields: dict[str, Any] = mapped | {"status": status}
            runs.register(connection, run_id, f"application:{run_id}", **fields)
    return run_ids


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
@pytest.mark.parametrize("state", [Pending(), Running(), Crashed(), Failed(), Completed()])
async def test_an_idle_run_that_prefect_believes_under_way_or_ended_is_offered_again(
    ledger: Ledger, status: RunStatus, state: State[Any]
) -> None:
    run_id = await an_idle_run(ledger, status)
    server = PrefectServer({flow_run_of(run_id): stood(state)})

    await reconcile(server, ledger)

    assert server.states[flow_run_of(run_id)].name == AwaitingRetry().name


@pytest.mark.parametrize("state", [Paused(), Suspended()], ids=["paused", "suspended"])
async def test_a_queued_run_that_was_paused_by_hand_is_offered_again(
    ledger: Ledger, state: State[Any]
) -> None:
    run_id = await an_idle_run(ledger)
    server = PrefectServer({flow_run_of(run_id): stood(state)})

    await reconcile(server, ledger)

    assert server.states[flow_run_of(run_id)].name == AwaitingRetry().name


@pytest.mark.parametrize("kind", ["asleep", "offered", "just taken"])
async def test_an_idle_run_that_sleeps_or_is_just_being_taken_is_left_alone(
    ledger: Ledger, kind: str
) -> None:
    state: State[Any] = {
        "asleep": stood(Suspended()),
        "offered": stood(AwaitingRetry()),
        "just taken": Pending(),
    }[kind]
    run_id = await an_idle_run(ledger, RunStatus.WAITING)
    server = PrefectServer({flow_run_of(run_id): state})

    await reconcile(server, ledger)

    assert server.states[flow_run_of(run_id)] is state


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
@pytest.mark.parametrize("state", [Cancelled(), Cancelling()])
async def test_an_idle_run_that_was_cancelled_in_prefect_has_ended(
    ledger: Ledger, status: RunStatus, state: State[Any]
) -> None:
    run_id = await an_idle_run(ledger, status)
    server = PrefectServer({flow_run_of(run_id): state})

    for _ in range(2):
        await reconcile(server, ledger)

    assert (await ledger.read(runs.find, run_id)).status is RunStatus.CANCELLED
    assert len(await written(ledger, run_id)) == 1


async def test_however_many_are_queued_the_one_that_has_failed_in_prefect_is_offered_again(
    ledger: Ledger,
) -> None:
    run_ids = await many(ledger, RunStatus.QUEUED, 2 * MOST_ANSWERED + 50)
    await many(ledger, RunStatus.WAITING, MOST_ANSWERED)
    server = PrefectServer({flow_run_of(run_id): AwaitingRetry() for run_id in run_ids})
    server.states[flow_run_of(run_ids[-1])] = Failed()

    await reconcile(server, ledger)

    assert server.states[flow_run_of(run_ids[-1])].name == AwaitingRetry().name


async def test_however_many_wait_the_one_that_was_cancelled_in_prefect_is_soon_noticed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "WAITING_COMPARED", 250)
    run_ids = await many(ledger, RunStatus.WAITING, 600)
    server = PrefectServer({flow_run_of(run_id): Suspended() for run_id in run_ids})
    server.states[flow_run_of(run_ids[-1])] = Cancelled()
    cursor, sweeps = SweepCursor(), 0

    while (await ledger.read(runs.find, run_ids[-1])).status is RunStatus.WAITING:
        await reconcile(server, ledger, cursor)
        sweeps += 1
        assert sweeps <= 3

    assert (await ledger.read(runs.find, run_ids[-1])).status is RunStatus.CANCELLED


async def test_a_run_that_is_retried_later_is_not_offered_before_its_time(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    for n in range(6):
        await ledger.write(retries.schedule_retry, run_id, 1, draft(f"interrupted/{n}"))
    await ledger.write(leases.release_lease, run_id, 1)
    server = PrefectServer({flow_run_of(run_id): Failed()})

    await reconcile(server, ledger)

    at = server.states[flow_run_of(run_id)].state_details.scheduled_time
    assert at is not None
    pause = at.timestamp() - datetime.now(UTC).timestamp()
    assert 25 < pause <= 32


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
async def test_a_run_whose_flow_run_was_deleted_in_prefect_gets_a_new_one_and_goes_on(
    ledger: Ledger, status: RunStatus
) -> None:
    deleted, other = await an_idle_run(ledger, status), await an_idle_run(ledger)
    server = PrefectServer({flow_run_of(other): AwaitingRetry()})

    for _ in range(2):
        await reconcile(server, ledger)

    run = await ledger.read(runs.find, deleted)
    assert (run.status, run.error) == (status, None)
    assert set(server.made) == {deleted}
    assert server.states[UUID(run.flow_run_id)].is_scheduled()
    assert await written(ledger, deleted) == []
    assert (await ledger.read(runs.find, other)).flow_run_id == str(flow_run_of(other))


async def test_a_prefect_server_that_was_set_back_gets_what_came_later_again(
    ledger: Ledger,
) -> None:
    known = [await an_idle_run(ledger, RunStatus.WAITING) for _ in range(3)]
    lost = [await an_idle_run(ledger) for _ in range(3)]
    server = PrefectServer({flow_run_of(run_id): Suspended() for run_id in known})

    await reconcile(server, ledger)

    assert set(server.made) == set(lost)
    found = await ledger.read(runs.find_all, known + lost)
    assert {found[run_id].status for run_id in lost} == {RunStatus.QUEUED}
    assert {UUID(run.flow_run_id) for run in found.values()} == set(server.states)


async def test_a_run_that_has_ended_gets_no_flow_run_again(ledger: Ledger) -> None:
    for status in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED):
        await an_idle_run(ledger, status)
    server = PrefectServer()

    await reconcile(server, ledger)

    assert server.states == {}


async def test_a_run_that_a_worker_executes_is_not_compared_with_prefect(ledger: Ledger) -> None:
    await left_behind(ledger, "host:1:worker:now")
    server = PrefectServer()

    await reconcile(server, ledger)

    assert server.states == {}


async def test_the_cursor_takes_the_waiting_runs_in_turn_and_then_the_first_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "WAITING_COMPARED", 2)
    run_ids, cursor = await many(ledger, RunStatus.WAITING, 3), SweepCursor()

    rounds = [[run.run_id for run in await ledger.read(cursor.take)] for _ in range(3)]

    assert rounds == [run_ids[:2], run_ids[2:], run_ids[:2]]


@pytest.mark.parametrize("state", [Pending(), Running(), Cancelling()])
async def test_what_has_ended_in_the_ledger_does_not_hang_in_prefect(
    ledger: Ledger, state: State[Any]
) -> None:
    run_id = await an_idle_run(ledger, RunStatus.COMPLETED)
    server = PrefectServer({flow_run_of(run_id): stood(state)})

    await sweep.close_ended(server.client, ledger, DEPLOYMENT)

    assert server.states[flow_run_of(run_id)].type == Completed().type


async def test_a_run_that_cannot_be_looked_after_does_not_keep_the_others_waiting(
    ledger: Ledger,
) -> None:
    run_ids = [await an_idle_run(ledger) for _ in range(3)]
    server = PrefectServer({flow_run_of(run_id): Failed() for run_id in run_ids})
    server.refuses = {flow_run_of(run_ids[0])}

    await reconcile(server, ledger)

    names = [server.states[flow_run_of(run_id)].name for run_id in run_ids]
    assert names == ["Failed", "AwaitingRetry", "AwaitingRetry"]


class Noted:
    """A duty of a caller: whether it is due, and how often it was done."""

    def __init__(self, *, is_due: bool = True, error: Exception | None = None) -> None:
        self.done = 0
        self._error = error
        self.duty = Duty(lambda _: is_due, self._do)

    async def _do(self) -> None:
        self.done += 1
        if self._error is not None:
            raise self._error


async def swept(
    server: PrefectServer, ledger: Ledger, *own: Noted, cursor: SweepCursor | None = None
) -> None:
    async def deployed() -> UUID:
        return DEPLOYMENT

    duties = [noted.duty for noted in own]
    await sweep.sweep(server.client, ledger, deployed, "now", cursor or SweepCursor(), duties)


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), UnavailableError("the ledger did not answer")]
)
async def test_a_duty_that_fails_does_not_keep_the_others_from_being_done(
    ledger: Ledger, error: Exception
) -> None:
    run_id = await an_idle_run(ledger)
    server = PrefectServer({flow_run_of(run_id): Failed()})
    broken, next_one = Noted(error=error), Noted()

    await swept(server, ledger, broken, next_one)

    assert (broken.done, next_one.done) == (1, 1)
    assert server.states[flow_run_of(run_id)].name == AwaitingRetry().name


async def test_a_duty_of_which_the_ledger_knows_nothing_is_not_done(ledger: Ledger) -> None:
    idle = Noted(is_due=False)

    await swept(PrefectServer(), ledger, idle)

    assert idle.done == 0


async def test_while_prefect_is_away_the_duties_of_the_ledger_are_done(ledger: Ledger) -> None:
    noted, cursor = Noted(), SweepCursor()

    async def away() -> UUID:
        raise UnavailableError("no worker has registered the deployment")

    await sweep.sweep(PrefectServer().client, ledger, away, "now", cursor, [noted.duty])

    assert noted.done == 1
    assert time.monotonic() >= cursor.compare_at, "the next sweep tries to compare"


async def test_a_run_that_was_entered_and_never_launched_gets_its_flow_run_in_any_sweep(
    ledger: Ledger,
) -> None:
    run_id = await an_idle_run(ledger, flow_run_id="", created_at=moment(-60))
    server, cursor = PrefectServer(), SweepCursor()
    cursor.compare_later()

    await swept(server, ledger, cursor=cursor)

    assert (await ledger.read(runs.find, run_id)).flow_run_id == str(server.made[run_id].id)


async def test_prefect_is_compared_again_at_once_until_it_has_every_run_as_expected(
    ledger: Ledger,
) -> None:
    run_id = await an_idle_run(ledger)
    server, cursor = PrefectServer({flow_run_of(run_id): Failed()}), SweepCursor()

    await swept(server, ledger, cursor=cursor)
    assert time.monotonic() >= cursor.compare_at, "a run was not as expected"

    await swept(server, ledger, cursor=cursor)
    assert time.monotonic() < cursor.compare_at

    server.states[flow_run_of(run_id)] = Failed()
    await swept(server, ledger, cursor=cursor)
    assert server.states[flow_run_of(run_id)].name == "Failed", "it is not compared yet"

    cursor.compare_soon()
    await swept(server, ledger, cursor=cursor)
    assert server.states[flow_run_of(run_id)].name == AwaitingRetry().name
