"""What was begun and not finished: what Prefect is told, and what it is not."""

from __future__ import annotations

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

from data.contracts.events import Event, EventType
from data.contracts.review import Answerer, Channel, Review, ReviewRequest, Role
from data.contracts.runs import RunStatus
from flows.runtime.ledger import leases, retries, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import wake
from flows.runtime.worker import sweep
from flows.runtime.worker.sweep import SweepCursor
from tests.flows.runtime.entries import draft, left_behind, written
from tests.flows.runtime.prefect_server import MOST_ANSWERED, PrefectServer, stood

DEPLOYMENT = uuid4()


async def idle(ledger: Ledger, status: RunStatus = RunStatus.QUEUED) -> str:
    """A run that nobody executes."""
    run_id = str(uuid4())
    await ledger.write(
        runs.register, run_id, f"application:{run_id}", application_id=run_id, status=status
    )
    return run_id


async def many(ledger: Ledger, status: RunStatus, number: int) -> list[str]:
    """So many runs that nobody executes, in the order of their ids."""
    run_ids = sorted(str(uuid4()) for _ in range(number))
    with ledger.writing() as connection:
        for run_id in run_ids:
            fields = {"application_id": run_id, "status": status}
            runs.register(connection, run_id, f"application:{run_id}", **fields)
    return run_ids


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
@pytest.mark.parametrize("state", [Pending(), Running(), Crashed(), Failed(), Completed()])
async def test_an_idle_run_that_prefect_believes_under_way_or_ended_is_offered_again(
    ledger: Ledger, status: RunStatus, state: State[Any]
) -> None:
    run_id = await idle(ledger, status)
    server = PrefectServer({UUID(run_id): stood(state)})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    assert server.states[UUID(run_id)].name == AwaitingRetry().name


@pytest.mark.parametrize("state", [Paused(), Suspended()], ids=["paused", "suspended"])
async def test_a_queued_run_that_was_paused_by_hand_is_offered_again(
    ledger: Ledger, state: State[Any]
) -> None:
    run_id = await idle(ledger)
    server = PrefectServer({UUID(run_id): stood(state)})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

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
    run_id = await idle(ledger, RunStatus.WAITING)
    server = PrefectServer({UUID(run_id): state})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    assert server.states[UUID(run_id)] is state


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
@pytest.mark.parametrize("state", [Cancelled(), Cancelling()])
async def test_an_idle_run_that_was_cancelled_in_prefect_has_ended(
    ledger: Ledger, status: RunStatus, state: State[Any]
) -> None:
    run_id = await idle(ledger, status)
    server = PrefectServer({UUID(run_id): state})

    for _ in range(2):
        await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    assert (await ledger.read(runs.find, run_id)).status is RunStatus.CANCELLED
    assert len(await written(ledger, run_id)) == 1


async def test_however_many_are_queued_the_one_that_was_put_off_is_offered_again(
    ledger: Ledger,
) -> None:
    run_ids = await many(ledger, RunStatus.QUEUED, 2 * MOST_ANSWERED + 50)
    await many(ledger, RunStatus.WAITING, MOST_ANSWERED)
    server = PrefectServer({UUID(run_id): AwaitingRetry() for run_id in run_ids})
    server.states[UUID(run_ids[-1])] = Failed()

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    assert server.states[UUID(run_ids[-1])].name == AwaitingRetry().name


async def test_however_many_wait_the_one_that_was_cancelled_in_prefect_is_soon_noticed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "WAITING_IN_A_SWEEP", 250)
    run_ids = await many(ledger, RunStatus.WAITING, 600)
    server = PrefectServer({UUID(run_id): Suspended() for run_id in run_ids})
    server.states[UUID(run_ids[-1])] = Cancelled()
    turn, sweeps = SweepCursor(), 0

    while (await ledger.read(runs.find, run_ids[-1])).status is RunStatus.WAITING:
        await sweep.reconcile_idle_runs(server.client, ledger, turn)
        sweeps += 1
        assert sweeps <= 3

    assert (await ledger.read(runs.find, run_ids[-1])).status is RunStatus.CANCELLED


async def test_a_run_that_was_put_off_is_not_offered_before_its_time(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    for n in range(6):
        await ledger.write(retries.schedule_retry, run_id, 1, draft(f"interrupted/{n}"))
    await ledger.write(leases.release_lease, run_id, 1)
    server = PrefectServer({UUID(run_id): Failed()})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    at = server.states[UUID(run_id)].state_details.scheduled_time
    assert at is not None
    pause = at.timestamp() - datetime.now(UTC).timestamp()
    assert 25 < pause <= 32


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
async def test_a_run_that_was_deleted_in_prefect_fails_and_says_so(
    ledger: Ledger, status: RunStatus
) -> None:
    older, deleted, other = await idle(ledger), await idle(ledger, status), await idle(ledger)
    server = PrefectServer({UUID(run_id): AwaitingRetry() for run_id in (older, other)})

    for _ in range(2):
        await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    run = await ledger.read(runs.find, deleted)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error["code"] == "deleted_in_prefect"
    (told,) = await written(ledger, deleted)
    assert Event.model_validate_json(told).type is EventType.RUN_FAILED
    assert (await ledger.read(runs.find, other)).status is RunStatus.QUEUED


async def test_a_server_that_knows_no_run_at_all_is_not_believed(ledger: Ledger) -> None:
    run_id = await idle(ledger, RunStatus.WAITING)

    await sweep.reconcile_idle_runs(PrefectServer().client, ledger, SweepCursor())

    assert (await ledger.read(runs.find, run_id)).status is RunStatus.WAITING


async def test_a_new_prefect_server_is_not_believed_about_what_came_before_it(
    ledger: Ledger,
) -> None:
    before = await many(ledger, RunStatus.WAITING, 60)
    after = [await idle(ledger) for _ in range(3)]
    server = PrefectServer({UUID(run_id): AwaitingRetry() for run_id in after})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    found = await ledger.read(runs.find_all, before)
    assert {run.status for run in found.values()} == {RunStatus.WAITING}


async def test_a_prefect_server_that_was_set_back_is_not_believed_about_what_came_later(
    ledger: Ledger,
) -> None:
    known = await many(ledger, RunStatus.WAITING, 3)
    lost = [await idle(ledger) for _ in range(3)]
    server = PrefectServer({UUID(run_id): Suspended() for run_id in known})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    found = await ledger.read(runs.find_all, lost)
    assert {run.status for run in found.values()} == {RunStatus.QUEUED}


async def test_the_latest_run_was_deleted_if_the_one_before_is_known(ledger: Ledger) -> None:
    known, deleted = await idle(ledger), await idle(ledger)
    server = PrefectServer({UUID(known): AwaitingRetry()})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    assert (await ledger.read(runs.find, deleted)).status is RunStatus.FAILED


async def test_a_run_is_deleted_next_to_others_that_have_ended(ledger: Ledger) -> None:
    ended = [await idle(ledger, RunStatus.COMPLETED) for _ in range(2)]
    deleted = await idle(ledger)
    ended.append(await idle(ledger, RunStatus.COMPLETED))
    server = PrefectServer({UUID(run_id): Completed() for run_id in ended})

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    assert (await ledger.read(runs.find, deleted)).status is RunStatus.FAILED


async def test_deleted_runs_are_looked_for_in_every_twelfth_sweep(ledger: Ledger) -> None:
    turn = SweepCursor()

    assert [n for n in range(25) if turn.is_for_deleted()] == [0, 12, 24]


@pytest.mark.parametrize("state", [Pending(), Running(), Cancelling()])
async def test_what_has_ended_in_the_ledger_does_not_hang_in_prefect(
    ledger: Ledger, state: State[Any]
) -> None:
    run_id = await idle(ledger, RunStatus.COMPLETED)
    server = PrefectServer({UUID(run_id): stood(state)})

    await sweep.close_ended(server.client, ledger, DEPLOYMENT)

    assert server.states[UUID(run_id)].type == Completed().type


async def test_a_run_that_cannot_be_looked_after_does_not_keep_the_others_waiting(
    ledger: Ledger,
) -> None:
    run_ids = [await idle(ledger) for _ in range(3)]
    server = PrefectServer({UUID(run_id): Failed() for run_id in run_ids})
    server.refuses = {UUID(run_ids[0])}

    await sweep.reconcile_idle_runs(server.client, ledger, SweepCursor())

    names = [server.states[UUID(run_id)].name for run_id in run_ids]
    assert names == ["Failed", "AwaitingRetry", "AwaitingRetry"]


async def test_a_duty_that_fails_does_not_keep_the_others_from_being_done(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await idle(ledger)
    server = PrefectServer({UUID(run_id): Failed()})

    async def broken(*_: Any) -> None:
        raise ValueError("nobody thought of this")

    for duty in ("enforce_deadlines", "deliver_answers", "start_missing"):
        monkeypatch.setattr(sweep, duty, broken)
    await sweep.sweep(server.client, ledger, DEPLOYMENT, "now", SweepCursor())

    assert server.states[UUID(run_id)].name == AwaitingRetry().name


# -- answers -----------------------------------------------------------------------------------


def asleep(key: str, **form: str) -> State[Any]:
    """A suspension; with a form when it is one of the desk's."""
    state: State[Any] = Suspended(pause_key=key)
    state.state_details.run_input_keyset = form or None
    return state


async def answered(ledger: Ledger) -> Review:
    """The first request of a run at its gate, with an answer that it has not heard of."""
    run_id = await idle(ledger, RunStatus.WAITING)
    asked = ReviewRequest(role=Role.UNDERWRITER, title="Look", summary="at this")
    review = await ledger.write(reviews.ask, run_id, "second_look", 1, asked)
    fields = {"decision": "fine", "reviewer": "una", "reason": "because"}
    by = Answerer(reviewer="una", roles=(Role.UNDERWRITER,), channel=Channel.CLI)
    await ledger.write(reviews.answer, review, fields, by)
    (undelivered,) = await ledger.read(reviews.undelivered)
    return undelivered


async def test_an_answer_wakes_the_run_that_sleeps_at_its_request(ledger: Ledger) -> None:
    review = await answered(ledger)
    run_id = UUID(review.run_id)
    server = PrefectServer({run_id: asleep("second-look-1-3", schema="form")})

    await wake.deliver_answers(server.client, ledger)

    assert server.told[run_id]["decision"] == "fine"
    assert server.told[run_id]["reason"] == wake.KEPT_HERE
    assert await ledger.read(reviews.undelivered) == []


@pytest.mark.parametrize("key", ["second-look-2-3", "second-look-10-3", "third-look-1-3"])
async def test_an_answer_is_not_typed_into_a_later_request(ledger: Ledger, key: str) -> None:
    review = await answered(ledger)
    state = asleep(key, schema="form")
    server = PrefectServer({UUID(review.run_id): state})

    await wake.deliver_answers(server.client, ledger)

    assert server.told == {}
    assert server.states[UUID(review.run_id)] is state
    assert await ledger.read(reviews.undelivered) == []


async def test_a_run_that_was_suspended_by_hand_is_woken_and_nothing_is_typed(
    ledger: Ledger,
) -> None:
    review = await answered(ledger)
    server = PrefectServer({UUID(review.run_id): asleep("2f6b")})

    await wake.deliver_answers(server.client, ledger)

    assert server.told == {}
    assert server.states[UUID(review.run_id)].name == AwaitingRetry().name


async def test_an_answer_waits_while_the_run_is_still_falling_asleep(ledger: Ledger) -> None:
    review = await answered(ledger)
    server = PrefectServer({UUID(review.run_id): Running()})

    await wake.deliver_answers(server.client, ledger)

    assert await ledger.read(reviews.undelivered) == [review]
