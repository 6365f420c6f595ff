"""What was begun and not finished: whose death counts, who is first, and what Prefect is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import (
    AwaitingRetry,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    Suspended,
)

from data.contracts.errors import LeaseLostError, UnavailableError
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from flows.runtime import events, recovery, runs
from flows.runtime.ledger import Ledger
from flows.runtime.record import PUT_OFF_AT_MOST, LedgerRecord
from flows.runtime.storage import LedgerStorage, Shelf
from tests.flows.runtime.entries import draft

LONG_AGO = datetime.now(UTC) - timedelta(minutes=1)
DEPLOYMENT = uuid4()


@dataclass
class PrefectServer:
    """As much of Prefect as recovery talks to: flow runs with a state."""

    states: dict[UUID, State[Any]] = field(default_factory=dict)

    async def read_flow_run(self, flow_run_id: UUID) -> Any:
        if flow_run_id not in self.states:
            raise ObjectNotFound(Exception("no such run"))
        return SimpleNamespace(id=flow_run_id, state=self.states[flow_run_id])

    async def read_flow_runs(self, flow_run_filter: Any, limit: int) -> list[Any]:
        asked = flow_run_filter
        if asked.parent_flow_run_id is not None:
            return []
        ids = asked.id.any_ if asked.id is not None else list(self.states)
        types = asked.state.type.any_ if asked.state is not None else None
        return [
            SimpleNamespace(id=one, state=self.states[one])
            for one in ids
            if one in self.states and (types is None or self.states[one].type in types)
        ][:limit]

    async def set_flow_run_state(
        self, flow_run_id: UUID, state: State[Any], force: bool = False
    ) -> None:
        assert force
        self.states[flow_run_id] = state

    @property
    def client(self) -> PrefectClient:
        return cast(PrefectClient, self)


def stood(state: State[Any]) -> State[Any]:
    """A state that has not changed for a while."""
    return state.model_copy(update={"timestamp": LONG_AGO})


def dead(instance: str = "now") -> str:
    """The name, on a lease, of a process of this host that has ended."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    return f"{socket.gethostname()}:{ended.stdout.strip()}:mark:{instance}"


async def left_behind(ledger: Ledger, owner: str, phase: str = "check", **more: Any) -> str:
    """A run under way, whose journal has begun, under this owner's lease."""
    run_id = str(uuid4())
    await ledger.write(
        runs.register, run_id, f"application:{run_id}", application_id=run_id, phase=phase, **more
    )
    epoch = await ledger.write(runs.claim, run_id, owner, 60)
    await ledger.write(
        events.append, run_id, [draft("run.started", type=EventType.RUN_STARTED)], epoch=epoch
    )
    return run_id


async def again(ledger: Ledger, run_id: str, owner: str) -> None:
    assert await ledger.write(runs.claim, run_id, owner, 60) is not None


async def journal(ledger: Ledger, run_id: str) -> list[str]:
    return [str(body) for body in await ledger.read(events.read, run_id)]


async def test_a_run_whose_worker_has_died_here_goes_back_into_the_queue_at_once(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    server = PrefectServer({UUID(run_id): Running()})

    await recovery.requeue_abandoned(server.client, ledger, "now")

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.lease_owner) == (RunStatus.QUEUED, None)
    assert run.deaths["count"] == 1
    assert "worker_lost" in (await journal(ledger, run_id))[-1]
    assert server.states[UUID(run_id)].name == AwaitingRetry().name


async def test_a_worker_that_lives_keeps_its_run_until_its_lease_has_run_out(
    ledger: Ledger,
) -> None:
    owner = f"{socket.gethostname()}:{os.getpid()}:mark:now"
    run_id = await left_behind(ledger, owner)
    server = PrefectServer({UUID(run_id): Running()})

    await recovery.requeue_abandoned(server.client, ledger, "now")
    before = await ledger.read(runs.find, run_id)
    await ledger.write(runs.renew, owner, -1)
    await recovery.requeue_abandoned(server.client, ledger, "now")
    after = await ledger.read(runs.find, run_id)

    assert (before.status, before.lease_owner) == (RunStatus.RUNNING, owner)
    assert (after.status, after.lease_owner) == (RunStatus.QUEUED, None)


async def test_two_deaths_in_one_stage_make_a_run_be_executed_alone(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead())
    server = PrefectServer({UUID(run_id): Running()})

    await recovery.requeue_abandoned(server.client, ledger, "now")
    first = await ledger.read(runs.find, run_id)
    await again(ledger, run_id, dead())
    await recovery.requeue_abandoned(server.client, ledger, "now")

    assert not first.is_alone
    assert (await ledger.read(runs.find, run_id)).is_alone


async def test_deaths_in_different_stages_do_not_add_up(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead(), phase="check")
    server = PrefectServer({UUID(run_id): Running()})

    for phase in ("check", "decide", "check"):
        with ledger.writing() as connection:
            events.append(connection, run_id, [], phase=phase)
        await recovery.requeue_abandoned(server.client, ledger, "now")
        await again(ledger, run_id, dead())

    assert not (await ledger.read(runs.find, run_id)).is_alone


async def test_five_deaths_and_no_progress_set_a_run_aside_with_a_clear_error(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, dead())
    server = PrefectServer({UUID(run_id): Running()})
    states = []

    for _ in range(5):
        await recovery.requeue_abandoned(server.client, ledger, "now")
        states.append((await ledger.read(runs.find, run_id)).status)
        if states[-1] is RunStatus.QUEUED:
            await again(ledger, run_id, dead())

    run = await ledger.read(runs.find, run_id)
    assert states == [RunStatus.QUEUED] * 4 + [RunStatus.FAILED]
    assert run.error is not None
    assert (run.error["code"], run.error["stage"]) == ("worker_killer", "check")
    assert server.states[UUID(run_id)].is_crashed()


async def test_deaths_of_the_whole_desk_do_not_count(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead("yesterday"))
    server = PrefectServer({UUID(run_id): Running()})

    for _ in range(6):
        await recovery.requeue_abandoned(server.client, ledger, "today")
        await again(ledger, run_id, dead("yesterday"))

    run = await ledger.read(runs.find, run_id)
    assert run.deaths == {}
    assert run.status is RunStatus.RUNNING


async def test_a_run_that_has_ended_is_not_said_to_have_lost_its_worker(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead())
    with ledger.writing() as connection:
        done = draft("run.completed", 1.0, EventType.RUN_COMPLETED)
        events.append(connection, run_id, [done], status=RunStatus.COMPLETED)
    before = await journal(ledger, run_id)

    await recovery.requeue_abandoned(PrefectServer().client, ledger, "now")

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.lease_owner) == (RunStatus.COMPLETED, None)
    assert await journal(ledger, run_id) == before


async def test_of_two_sweeps_only_the_first_buries(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, dead())
    seen = await ledger.read(runs.find, run_id)

    _, first = await ledger.write(recovery._bury, seen, "now")
    counted = (await ledger.read(runs.find, run_id)).deaths
    written, second = await ledger.write(recovery._bury, seen, "now")

    assert (first, second) == (False, None)
    assert written == []
    assert (await ledger.read(runs.find, run_id)).deaths == counted


async def test_a_journal_never_begins_with_a_lost_worker(ledger: Ledger) -> None:
    run_id = str(uuid4())
    await ledger.write(runs.register, run_id, "application:x", application_id="x")
    await again(ledger, run_id, dead())

    await recovery.requeue_abandoned(PrefectServer().client, ledger, "now")

    assert await journal(ledger, run_id) == []
    assert (await ledger.read(runs.find, run_id)).deaths["count"] == 1


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
@pytest.mark.parametrize("state", [Pending(), Running(), Crashed(), Failed()])
async def test_an_idle_run_that_prefect_believes_under_way_or_ended_is_offered_again(
    ledger: Ledger, status: RunStatus, state: State[Any]
) -> None:
    run_id = str(uuid4())
    await ledger.write(
        runs.register, run_id, f"application:{run_id}", application_id=run_id, status=status
    )
    server = PrefectServer({UUID(run_id): stood(state)})

    await recovery.reconcile(server.client, ledger)

    assert server.states[UUID(run_id)].name == AwaitingRetry().name


@pytest.mark.parametrize("kind", ["asleep", "offered", "just taken"])
async def test_an_idle_run_that_sleeps_or_is_just_being_taken_is_left_alone(
    ledger: Ledger, kind: str
) -> None:
    state: State[Any] = {
        "asleep": stood(Suspended()),
        "offered": stood(AwaitingRetry()),
        "just taken": Pending(),
    }[kind]
    run_id = str(uuid4())
    await ledger.write(
        runs.register,
        run_id,
        f"application:{run_id}",
        application_id=run_id,
        status=RunStatus.WAITING,
    )
    server = PrefectServer({UUID(run_id): state})

    await recovery.reconcile(server.client, ledger)

    assert server.states[UUID(run_id)] is state


@pytest.mark.parametrize("state", [Pending(), Running(), Cancelling()])
async def test_what_has_ended_in_the_ledger_does_not_hang_in_prefect(
    ledger: Ledger, state: State[Any]
) -> None:
    run_id = str(uuid4())
    await ledger.write(
        runs.register,
        run_id,
        f"application:{run_id}",
        application_id=run_id,
        status=RunStatus.COMPLETED,
    )
    server = PrefectServer({UUID(run_id): stood(state)})

    await recovery.close_ended(server.client, ledger, DEPLOYMENT)

    assert server.states[UUID(run_id)].type == Completed().type


async def test_a_run_is_put_off_a_few_times_and_no_more(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, Shelf(LedgerStorage()), run_id, 1)

    put_off = [
        await record.put_off(draft(f"interrupted/{n}", type=EventType.ERROR))
        for n in range(PUT_OFF_AT_MOST + 1)
    ]

    assert put_off == [True] * PUT_OFF_AT_MOST + [False]
    assert len(await journal(ledger, run_id)) == PUT_OFF_AT_MOST + 1
    assert (await ledger.read(runs.find, run_id)).status is RunStatus.QUEUED


async def test_who_has_lost_the_lease_puts_nothing_off(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, Shelf(LedgerStorage()), run_id, 7)

    with pytest.raises(LeaseLostError):
        await record.put_off(draft("interrupted/7", type=EventType.ERROR))


async def test_a_ledger_out_of_reach_puts_a_run_off_without_a_word(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, Shelf(LedgerStorage()), run_id, 1)
    before = await journal(ledger, run_id)

    async def refuse(*_: Any, **__: Any) -> None:
        raise UnavailableError("the ledger did not answer: database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "write", refuse)
        assert await record.put_off(draft("interrupted/1", type=EventType.ERROR))

    assert await journal(ledger, run_id) == before


async def test_a_lease_that_could_not_be_given_back_is_put_back_and_said(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")

    written = await ledger.write(recovery.put_back, run_id)

    run = await ledger.read(runs.find, run_id)
    assert [event.meta["code"] for event in written] == ["interrupted"]
    assert (run.status, run.lease_owner, run.deaths) == (RunStatus.QUEUED, None, {})


async def test_a_run_that_cannot_even_be_opened_fails_instead_of_being_tried_for_ever(
    ledger: Ledger,
) -> None:
    run_id = str(uuid4())
    await ledger.write(runs.register, run_id, "application:x", application_id="x")
    statuses = []

    for _ in range(recovery.MOST_FALSE_STARTS):
        epoch = await ledger.write(runs.claim, run_id, "host:1:worker:now", 60)
        assert epoch is not None
        await ledger.write(recovery.count_false_start, run_id, epoch)
        await ledger.write(runs.release, run_id, epoch)
        statuses.append((await ledger.read(runs.find, run_id)).status)

    run = await ledger.read(runs.find, run_id)
    assert statuses == [RunStatus.QUEUED] * (recovery.MOST_FALSE_STARTS - 1) + [RunStatus.FAILED]
    assert run.error is not None
    assert run.error["code"] == "not_opened"
    assert len(await journal(ledger, run_id)) == 1


async def test_an_execution_that_ended_in_the_ledger_is_no_false_start(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    with ledger.writing() as connection:
        events.append(connection, run_id, [], status=RunStatus.QUEUED)

    assert await ledger.write(recovery.count_false_start, run_id, 1) == []

    assert (await ledger.read(runs.find, run_id)).deaths == {}
