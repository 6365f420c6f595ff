"""Cancelling a run, the second half: Prefect is told, and nothing of an ended run is left there."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Completed, Crashed, Running, Scheduled, Suspended

from data.contracts.runs import RunStatus
from flows.runtime.ledger import cancellations, leases, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import cancel
from tests.flows.runtime.entries import an_idle_run, ended, flow_run_of, left_behind
from tests.flows.runtime.prefect_server import PrefectServer

OWNER = "host:1:worker:now"
SUBFLOW = uuid4()


async def test_a_request_without_a_lease_is_an_end_in_the_next_sweep(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")
    await ledger.write(leases.release_lease, run_id, 1)
    server = PrefectServer({flow_run_of(run_id): Crashed()})

    await cancel.deliver(server.client, ledger)

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.cancel_requested) == (RunStatus.CANCELLED, False)
    assert server.states[flow_run_of(run_id)].is_cancelled()


async def test_prefect_and_through_it_the_worker_is_told_of_a_request(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")
    server = PrefectServer({flow_run_of(run_id): Running()})

    await cancel.deliver(server.client, ledger)

    assert server.states[flow_run_of(run_id)].is_cancelling()
    assert (await ledger.read(runs.find, run_id)).cancel_requested


@pytest.mark.parametrize("state", [Running(), Cancelling(), Scheduled(), Suspended(), Crashed()])
async def test_prefect_hears_how_a_run_has_really_ended(ledger: Ledger, state: State[Any]) -> None:
    run_id = await left_behind(ledger, OWNER)
    await ledger.write(cancellations.request, run_id, "olga")
    await ended(ledger, run_id, RunStatus.COMPLETED)
    server = PrefectServer({flow_run_of(run_id): state})

    await cancel.deliver(server.client, ledger)

    assert server.states[flow_run_of(run_id)].type == Completed().type
    assert not (await ledger.read(runs.find, run_id)).cancel_requested


async def test_one_run_that_prefect_refuses_does_not_keep_the_others_waiting(
    ledger: Ledger,
) -> None:
    several = [await left_behind(ledger, OWNER) for _ in range(3)]
    for run_id in several:
        await ledger.write(cancellations.request, run_id, "olga")
    server = PrefectServer({flow_run_of(run_id): Running() for run_id in several})
    server.refuses = {flow_run_of(several[0])}

    await cancel.deliver(server.client, ledger)

    told = [server.states[flow_run_of(run_id)].is_cancelling() for run_id in several]
    assert told == [False, True, True]


@pytest.mark.parametrize("flow_run_id", ["", "0b0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d"])
async def test_a_run_that_prefect_does_not_have_is_cancelled_in_the_ledger_alone(
    ledger: Ledger, flow_run_id: str
) -> None:
    run_id = await an_idle_run(ledger, flow_run_id=flow_run_id)
    await ledger.write(cancellations.request, run_id, "olga")
    server = PrefectServer()

    await cancel.deliver(server.client, ledger)

    run = await ledger.read(runs.find, run_id)
    assert (run.status, run.cancel_requested) == (RunStatus.CANCELLED, False)
    assert server.states == {}


async def test_what_people_typed_and_the_subflows_of_an_ended_run_go_with_it(
    ledger: Ledger,
) -> None:
    run_id = await an_idle_run(ledger, RunStatus.WAITING)
    await ledger.write(cancellations.request, run_id, "olga")
    server = PrefectServer({flow_run_of(run_id): Suspended(), SUBFLOW: Running()})
    server.children = {flow_run_of(run_id): [SUBFLOW]}
    form, typed = "suspended-look-1-1-schema", "suspended-look-1-1-response"
    server.typed = {flow_run_of(run_id): [form, typed]}

    await cancel.deliver(server.client, ledger)

    assert server.states[SUBFLOW].is_cancelled()
    assert server.typed == {flow_run_of(run_id): [form]}
