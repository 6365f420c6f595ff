"""Cancelling a run, the first half: the request, and one end by whichever process comes to it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from data.contracts.errors import ConflictError, LeaseLostError, RecordNotFoundError
from data.contracts.events import Event, EventType
from data.contracts.review import ReviewRequest, Role
from data.contracts.runs import RunStatus
from flows.runtime.ledger import cancellations, leases, reviews, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import an_idle_run, ended, left_behind, written

OWNER = "host:1:worker:now"


async def told(ledger: Ledger, run_id: str) -> list[tuple[EventType, Any]]:
    entries = [Event.model_validate_json(body) for body in await written(ledger, run_id)]
    return [(event.type, event.meta.get("by")) for event in entries]


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING], ids=str)
async def test_a_run_that_no_worker_executes_ends_with_the_request(
    ledger: Ledger, status: RunStatus
) -> None:
    run_id = await an_idle_run(ledger, status)

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


async def test_a_run_that_has_ended_in_another_way_cannot_be_stopped(ledger: Ledger) -> None:
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


async def test_a_worker_that_gives_back_a_run_that_shall_stop_ends_it(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")

    await ledger.write(cancellations.give_back, run_id, 1)

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.lease_owner) == (RunStatus.CANCELLED, None)
    assert (await told(ledger, run_id))[-1] == (EventType.RUN_CANCELLED, "olga")


async def test_the_end_of_a_run_closes_what_it_asks(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    asked = ReviewRequest(role=Role.UNDERWRITER, title="Look", summary="at this", facts={})
    await ledger.write(reviews.ask, run_id, "look", 1, asked)
    await ledger.write(cancellations.request, run_id, "olga")

    await ledger.write(cancellations.end, run_id, 1)

    assert await ledger.read(reviews.page, limit=100) == []


async def test_a_run_that_is_cancelled_already_stays_so_and_tells_nothing_new(
    ledger: Ledger,
) -> None:
    run_id = await an_idle_run(ledger)
    await ledger.write(cancellations.request, run_id, "olga")
    before = await ledger.read(runs.find, run_id)

    assert await ledger.write(cancellations.request, run_id, "otto") == []

    assert await ledger.read(runs.find, run_id) == before
    assert await told(ledger, run_id) == [(EventType.RUN_CANCELLED, "olga")]


async def test_a_run_that_only_prefect_stopped_names_prefect(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)

    await ledger.write(cancellations.end, run_id, 1)

    assert (await told(ledger, run_id))[-1] == (EventType.RUN_CANCELLED, cancellations.PREFECT)


async def test_an_end_is_written_without_a_lease_only_for_a_run_that_was_asked_to_stop(
    ledger: Ledger,
) -> None:
    run_id = await an_idle_run(ledger)

    assert await ledger.write(cancellations.end_unattended, run_id) == []

    assert (await ledger.read(runs.find, run_id)).status is RunStatus.QUEUED
