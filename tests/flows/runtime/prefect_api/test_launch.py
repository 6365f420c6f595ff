"""From a run of the ledger to a flow run: one each, also of two processes, also after a loss."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.states import Suspended

from data.contracts.errors import UnknownToPrefectError
from data.contracts.review import Person
from data.contracts.runs import Lineage, RunStatus
from flows.runtime.ledger import run_requests, runs
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api.launch import launch, launch_missing, relaunch_unknown
from tests.flows.runtime.entries import an_idle_run, flow_run_of
from tests.flows.runtime.prefect_server import PrefectServer

DEPLOYMENT = uuid4()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def submitted(ledger: Ledger, traceparent: str = TRACEPARENT) -> Run:
    """The run of a request that was accepted a moment ago."""
    request = RunRequest(submitted_by=Person(name="Ina"), traceparent=traceparent)
    run, _ = await ledger.write(run_requests.submit, "app-1", "a" * 64, b"{}", request)
    return run


async def unmapped(ledger: Ledger, seconds_ago: float = 60, **more: Any) -> Run:
    """A run without a flow run, entered so long ago."""
    run_id = await an_idle_run(ledger, flow_run_id="", created_at=moment(-seconds_ago), **more)
    return await ledger.read(runs.find, run_id)


async def read(ledger: Ledger, run: Run) -> Run:
    return await ledger.read(runs.find, run.run_id)


async def test_a_launched_run_is_mapped_to_the_flow_run_that_was_made_for_it(
    ledger: Ledger,
) -> None:
    run, server = await submitted(ledger), PrefectServer()

    await launch(server.client, ledger, DEPLOYMENT, run)

    (made,) = server.made.values()
    assert (await read(ledger, run)).flow_run_id == str(made.id) != run.run_id
    assert made.deployment_id == DEPLOYMENT


async def test_prefect_is_told_of_a_run_its_ids_and_its_trace_only(ledger: Ledger) -> None:
    run, server = await submitted(ledger), PrefectServer()

    await launch(server.client, ledger, DEPLOYMENT, run)

    made = server.made[run.run_id]
    assert made.parameters == {"application_id": "app-1", "run_id": run.run_id}
    assert made.labels == {"__OTEL_TRACEPARENT": TRACEPARENT}
    assert (made.name, made.tags) == (None, [])


@pytest.mark.parametrize(
    ("may_decide", "name", "tags"), [(False, "what-if app-1", ["what-if"]), (True, None, [])]
)
async def test_a_run_that_decides_nothing_is_called_so_in_prefect(
    ledger: Ledger, may_decide: bool, name: str | None, tags: list[str]
) -> None:
    parent, server = await submitted(ledger), PrefectServer()
    lineage = Lineage(parent_run_id=parent.run_id, forked_at="start", may_decide=may_decide)
    fork, _ = await ledger.write(run_requests.fork, parent, lineage, RunRequest())

    await launch(server.client, ledger, DEPLOYMENT, fork)

    made = server.made[fork.run_id]
    assert (made.name, made.tags, made.labels) == (name, tags, {})


async def test_two_processes_that_launch_at_once_end_in_one_flow_run(ledger: Ledger) -> None:
    run, server = await submitted(ledger), PrefectServer()

    await asyncio.gather(*(launch(server.client, ledger, DEPLOYMENT, run) for _ in range(5)))

    assert len(server.states) == 1
    assert (await read(ledger, run)).flow_run_id == str(server.made[run.run_id].id)


async def test_a_launch_that_died_before_the_mapping_finds_its_flow_run(ledger: Ledger) -> None:
    run, server = await submitted(ledger), PrefectServer()
    made = await server.create_flow_run_from_deployment(DEPLOYMENT, idempotency_key=run.run_id)

    await launch(server.client, ledger, DEPLOYMENT, run)

    assert set(server.states) == {made.id}
    assert (await read(ledger, run)).flow_run_id == str(made.id)


async def test_a_slow_launch_does_not_replace_a_mapping_that_it_has_not_seen(
    ledger: Ledger,
) -> None:
    run, server = await submitted(ledger), PrefectServer()
    await ledger.write(runs.map_to_flow_run, run.run_id, "of another process", seen="")

    await launch(server.client, ledger, DEPLOYMENT, run)

    assert (await read(ledger, run)).flow_run_id == "of another process"


async def test_without_a_deployment_a_run_stays_unmapped(ledger: Ledger) -> None:
    run = await submitted(ledger)

    with pytest.raises(UnknownToPrefectError):
        await launch(PrefectServer(has_deployment=False).client, ledger, DEPLOYMENT, run)

    assert (await read(ledger, run)).flow_run_id == ""


# -- again, for runs that Prefect does not know ----------------------------------------------------


async def test_a_run_that_was_entered_and_never_launched_gets_its_flow_run(
    ledger: Ledger,
) -> None:
    run, server = await unmapped(ledger), PrefectServer()

    await launch_missing(server.client, ledger, DEPLOYMENT)

    assert (await read(ledger, run)).flow_run_id == str(server.made[run.run_id].id)


async def test_the_process_that_entered_a_run_has_a_moment_to_launch_it(ledger: Ledger) -> None:
    await unmapped(ledger, seconds_ago=1)
    server = PrefectServer()

    await launch_missing(server.client, ledger, DEPLOYMENT)

    assert server.states == {}


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING], ids=str)
async def test_a_run_whose_flow_run_was_deleted_gets_another_one(
    ledger: Ledger, status: RunStatus
) -> None:
    known, lost = [await an_idle_run(ledger, status) for _ in range(2)]
    server = PrefectServer({flow_run_of(known): Suspended()})
    idle = list((await ledger.read(runs.find_all, [known, lost])).values())

    await relaunch_unknown(server.client, ledger, DEPLOYMENT, list(idle))

    again = await ledger.read(runs.find, lost)
    assert set(server.made) == {lost}
    assert UUID(again.flow_run_id) == server.made[lost].id != flow_run_of(lost)
    assert again.status is status
    assert (await ledger.read(runs.find, known)).flow_run_id == str(flow_run_of(known))


async def test_two_sweeps_make_one_flow_run_in_place_of_a_lost_one(ledger: Ledger) -> None:
    lost, server = await an_idle_run(ledger), PrefectServer()
    seen = await ledger.read(runs.find, lost)

    for _ in range(2):
        await relaunch_unknown(server.client, ledger, DEPLOYMENT, [seen])

    assert len(server.states) == 1
    assert (await ledger.read(runs.find, lost)).flow_run_id == str(server.made[lost].id)


async def test_a_flow_run_that_is_lost_again_is_made_again(ledger: Ledger) -> None:
    run, server = await unmapped(ledger), PrefectServer()
    await launch_missing(server.client, ledger, DEPLOYMENT)
    first = await read(ledger, run)
    server.delete(UUID(first.flow_run_id))

    await relaunch_unknown(server.client, ledger, DEPLOYMENT, [first])

    second = await read(ledger, run)
    assert second.flow_run_id != first.flow_run_id
    assert set(server.states) == {UUID(second.flow_run_id)}


async def test_a_server_with_an_empty_database_gets_every_live_run_again(ledger: Ledger) -> None:
    run_ids = [await an_idle_run(ledger) for _ in range(250)]
    server = PrefectServer()
    idle = list((await ledger.read(runs.find_all, run_ids)).values())

    await relaunch_unknown(server.client, ledger, DEPLOYMENT, list(idle))

    assert set(server.made) == set(run_ids)
    mapped = (await ledger.read(runs.find_all, run_ids)).values()
    assert {UUID(run.flow_run_id) for run in mapped} == set(server.states)
