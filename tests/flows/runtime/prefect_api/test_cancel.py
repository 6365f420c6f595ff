"""Stopping a run on request: one end, whoever writes it, and nothing left in Prefect."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Completed, Crashed, Running, Scheduled, Suspended

from data.contracts.errors import ConflictError, LeaseLostError, RecordNotFoundError
from data.contracts.events import Event, EventType
from data.contracts.review import ReviewRequest, Role
from data.contracts.runs import RunStatus
from flows.runtime.ledger import cancellations, journal, leases, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import cancel
from tests.flows.runtime.entries import draft, left_behind, written
from tests.flows.runtime.prefect_server import PrefectServer

OWNER = "host:1:worker:now"


async def idle(ledger: Ledger, status: RunStatus = RunStatus.QUEUED) -> str:
    run_id = str(uuid4())
    await ledger.write(
        runs.register, run_id, f"application:{run_id}", application_id=run_id, status=status
    )
    return run_id


async def told(ledger: Ledger, run_id: str) -> list[tuple[EventType, Any]]:
    entries = [Event.model_validate_json(body) for body in await written(ledger, run_id)]
    return [(event.type, event.meta.get("by")) for event in entries]


async def ended(ledger: Ledger, run_id: str, status: RunStatus, epoch: int = 1) -> None:
    done = draft(f"run.{status}", 1.0, EventType.RUN_COMPLETED)
    await ledger.write(journal.append, run_id, [done], epoch=epoch, status=status)


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING], ids=str)
async def test_a_run_that_nobody_executes_ends_with_the_wish(
    ledger: Ledger, status: RunStatus
) -> None:
    run_id = await idle(ledger, status)

    await ledger.write(cancellations.request, run_id, "olga")

    assert (await ledger.read(runs.find, run_id)).status is RunStatus.CANCELLED
    assert await told(ledger, run_id) == [(EventType.RUN_CANCELLED, "olga")]


async def test_a_run_that_is_executed_is_asked_once_and_goes_on_until_it_is_told(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, OWNER)

    for who in ("olga", cancellations.PREFECT):
        await ledger.write(cancellations.request, run_id, who)

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.cancel_requested) == (RunStatus.RUNNING, True)
    assert await told(ledger, run_id) == [
        (EventType.RUN_STARTED, None),
        (EventType.PROGRESS, "olga"),
    ]


async def test_what_has_ended_cannot_be_stopped(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ended(ledger, run_id, RunStatus.COMPLETED)

    with pytest.raises(ConflictError, match="has ended: it is completed"):
        await ledger.write(cancellations.request, run_id, "olga")
    with pytest.raises(RecordNotFoundError):
        await ledger.write(cancellations.request, str(uuid4()), "olga")


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED], ids=str)
async def test_no_end_is_written_after_another(ledger: Ledger, status: RunStatus) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")
    await ended(ledger, run_id, status)
    before = await written(ledger, run_id)

    assert await ledger.write(cancellations.end, run_id, 1) == []
    assert await ledger.write(cancellations.give_back, run_id, 1) == []
    assert await ledger.write(cancellations.end_unattended, run_id) == []

    assert await written(ledger, run_id) == before
    assert (await ledger.read(runs.find, run_id)).status is status


async def test_an_execution_that_has_lost_its_run_does_not_end_it(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(leases.renew_leases, OWNER, -1)
    await ledger.write(leases.acquire_lease, run_id, "host:2:other:now", 60)

    with pytest.raises(LeaseLostError):
        await ledger.write(cancellations.end, run_id, 1)


async def test_who_gives_back_what_was_asked_to_stop_ends_it(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")

    await ledger.write(cancellations.give_back, run_id, 1)

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.lease_owner) == (RunStatus.CANCELLED, None)
    assert (await told(ledger, run_id))[-1] == (EventType.RUN_CANCELLED, "olga")


async def test_a_wish_without_a_lease_is_an_end_in_the_next_sweep(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")
    await ledger.write(leases.release_lease, run_id, 1)
    server = PrefectServer({UUID(run_id): Crashed()})

    await cancel.deliver(server.client, ledger)

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.cancel_requested) == (RunStatus.CANCELLED, False)
    assert server.states[UUID(run_id)].is_cancelled()


async def test_the_end_of_a_run_closes_what_it_asks(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    asked = ReviewRequest(role=Role.UNDERWRITER, title="Look", summary="at this", facts={})
    await ledger.write(reviews.ask, run_id, "look", 1, asked)
    await ledger.write(cancellations.request, run_id, "olga")

    await ledger.write(cancellations.end, run_id, 1)

    assert await ledger.read(reviews.page, limit=100) == []


async def test_prefect_and_through_it_the_worker_is_told_of_a_wish(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")
    server = PrefectServer({UUID(run_id): Running()})

    await cancel.deliver(server.client, ledger)

    assert server.states[UUID(run_id)].is_cancelling()
    assert (await ledger.read(runs.find, run_id)).cancel_requested


@pytest.mark.parametrize("state", [Running(), Cancelling(), Scheduled(), Suspended(), Crashed()])
async def test_prefect_hears_how_a_run_has_really_ended(ledger: Ledger, state: State[Any]) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")
    await ended(ledger, run_id, RunStatus.COMPLETED)
    server = PrefectServer({UUID(run_id): state})

    await cancel.deliver(server.client, ledger)

    assert server.states[UUID(run_id)].type == Completed().type
    assert not (await ledger.read(runs.find, run_id)).cancel_requested


async def test_one_run_that_prefect_refuses_does_not_keep_the_others_waiting(
    ledger: Ledger,
) -> None:
    several = [await left_behind(ledger, OWNER) for _ in range(3)]
    for run_id in several:
        await ledger.write(cancellations.request, run_id, "olga")
    server = PrefectServer({UUID(run_id): Running() for run_id in several})
    server.refuses = {UUID(several[0])}

    await cancel.deliver(server.client, ledger)

    told = [server.states[UUID(run_id)].is_cancelling() for run_id in several]
    assert told == [False, True, True]
