"""The worker: which runs it takes, whose lease is lost, and which execution may tidy up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import AwaitingRetry, Pending, Scheduled

from data.contracts.errors import UnavailableError
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.execution import engine
from flows.runtime.execution.desk import Desk
from flows.runtime.execution.surroundings import Execution
from flows.runtime.ledger import leases, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import deployments, feed, scheduled, states
from flows.runtime.prefect_api.client import FlowRun
from flows.runtime.prefect_api.deployments import Deployment
from flows.runtime.worker.worker import Worker
from tests.flows.runtime.entries import RUN, a_claimed_run, an_idle_run, flow_run_of, left_behind
from tests.flows.runtime.prefect_server import PrefectServer
from tests.flows.runtime.vacation_workflow import take_leave

OWNER = "host:2:worker:now"


@pytest.fixture
def worker(ledger: Ledger) -> Worker:
    deployment = cast(Deployment, SimpleNamespace(pool="desk", load=lambda: take_leave))
    return Worker(Desk(Settings(), ledger, OWNER), [deployment])


def busy(worker: Worker) -> asyncio.Task[None]:
    """A task of a run that the worker had taken and does not hold any more."""

    async def work() -> None:
        await asyncio.sleep(60)

    task = worker._active[RUN] = asyncio.create_task(work())
    worker._executions[RUN] = Execution(RUN, str(flow_run_of(RUN)), 1)
    return task


async def test_an_execution_that_has_lost_its_lease_is_stopped(
    worker: Worker, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    await a_claimed_run(ledger)
    task = busy(worker)

    await worker._keep_leases()

    await asyncio.wait([task])
    assert task.cancelled()
    assert "lost the lease" in caplog.text


async def test_an_execution_that_has_given_its_lease_back_may_tidy_up(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    task = busy(worker)
    del worker._executions[RUN]

    await worker._keep_leases()

    await asyncio.sleep(0)
    assert not task.cancelling()
    assert "lost the lease" not in caplog.text
    task.cancel()


async def test_an_execution_that_ends_while_leases_are_renewed_has_lost_nothing(
    worker: Worker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = busy(worker)

    def renew(*_: object) -> set[str]:
        worker._executions.clear()
        return set()

    monkeypatch.setattr(leases, "renew_leases", renew)
    await worker._keep_leases()

    assert not task.cancelling()
    assert "lost the lease" not in caplog.text
    task.cancel()


# -- which runs it takes ---------------------------------------------------------------------------


@dataclass
class Taken:
    """What the worker had executed, in place of Prefect's engine."""

    parameters: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    """Prefect accepts every claim, and the engine only notes what it is called with."""
    noted = Taken()

    async def claim(*_: Any) -> State[Any]:
        return Pending()

    async def execute(_flow: Any, _run: Any, _state: Any, parameters: dict[str, Any]) -> None:
        noted.parameters.append(parameters)

    async def reconcile(*_: Any) -> None:
        """The state in Prefect is not looked at here."""

    monkeypatch.setattr(scheduled, "claim", claim)
    monkeypatch.setattr(engine, "execute", execute)
    monkeypatch.setattr(states, "reconcile_state", reconcile)
    return noted


def offered(flow_run_id: UUID, **parameters: Any) -> FlowRun:
    """A due flow run, as Prefect lists it."""
    made = SimpleNamespace(id=flow_run_id, parameters=parameters, state=Scheduled())
    return cast(FlowRun, made)


async def take(worker: Worker, server: PrefectServer, flow_run: FlowRun) -> bool:
    """Let the worker take a flow run that Prefect offers; wait until it is executed."""
    server.states[flow_run.id] = Scheduled()
    known = await worker._desk.ledger.read(runs.of_flow_runs, [str(flow_run.id)])
    is_taken = await worker._take(server.client, flow_run, known.get(str(flow_run.id)))
    await asyncio.gather(*worker._active.values())
    return is_taken


async def test_a_flow_run_is_executed_with_the_ids_of_its_run_whatever_prefect_holds(
    worker: Worker, ledger: Ledger, taken: Taken
) -> None:
    run_id = await an_idle_run(ledger)
    forged = offered(flow_run_of(run_id), application_id="another", run_id="another", more=1)

    assert await take(worker, PrefectServer(), forged)

    assert taken.parameters == [{"application_id": run_id, "run_id": run_id}]


async def test_a_flow_run_whose_maker_died_before_the_mapping_is_mapped_and_executed(
    worker: Worker, ledger: Ledger, taken: Taken
) -> None:
    run_id, flow_run_id = await an_idle_run(ledger, flow_run_id=""), uuid4()

    assert await take(worker, PrefectServer(), offered(flow_run_id, run_id=run_id))

    assert (await ledger.read(runs.find, run_id)).flow_run_id == str(flow_run_id)
    assert len(taken.parameters) == 1


@pytest.mark.parametrize("given", [{}, {"run_id": "no-such-run"}, {"run_id": 7}])
async def test_a_flow_run_that_no_run_asked_for_is_refused_and_says_so(
    worker: Worker, taken: Taken, given: dict[str, Any]
) -> None:
    server, flow_run_id = PrefectServer(), uuid4()

    assert not await take(worker, server, offered(flow_run_id, application_id="app-1", **given))

    state = server.states[flow_run_id]
    assert state.is_failed()
    assert state.message == "no run of the desk asked for this flow run"
    assert taken.parameters == []


async def test_a_second_flow_run_of_a_run_is_cancelled_and_the_first_one_goes_on(
    worker: Worker, ledger: Ledger, taken: Taken
) -> None:
    run_id = await an_idle_run(ledger)
    server, second = PrefectServer(), uuid4()

    assert not await take(worker, server, offered(second, run_id=run_id))

    run = await ledger.read(runs.find, run_id)
    assert server.states[second].is_cancelled()
    assert (run.status, run.flow_run_id) == (RunStatus.QUEUED, str(flow_run_of(run_id)))
    assert await take(worker, server, offered(flow_run_of(run_id)))
    assert len(taken.parameters) == 1


async def test_a_run_that_has_ended_is_ended_in_prefect_too(
    worker: Worker, ledger: Ledger, taken: Taken
) -> None:
    run_id = await an_idle_run(ledger, RunStatus.COMPLETED)
    server = PrefectServer()

    assert not await take(worker, server, offered(flow_run_of(run_id)))

    assert server.states[flow_run_of(run_id)].is_completed()
    assert taken.parameters == []


async def test_a_run_that_another_worker_holds_is_offered_again_later(
    worker: Worker, ledger: Ledger, taken: Taken
) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    server = PrefectServer({flow_run_of(run_id): Pending()})

    assert not await worker._take(server.client, offered(flow_run_of(run_id)), None)

    state = server.states[flow_run_of(run_id)]
    at = state.state_details.scheduled_time
    assert state.name == AwaitingRetry().name
    assert at is not None
    assert at > datetime.now(UTC)
    assert (await ledger.read(runs.find, run_id)).lease_owner == "host:1:worker:now"
    assert taken.parameters == []


async def test_a_ledger_that_is_away_when_a_cancellation_is_heard_does_not_end_the_listening(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(**_: Any) -> AsyncIterator[feed.Signal]:
        yield feed.Signal(feed.RUN_CANCELLED[0], str(uuid4()))
        yield feed.Signal(feed.RUN_OFFERED[0], str(uuid4()), "desk")

    def away(*_: Any) -> None:
        raise UnavailableError("the ledger did not answer")

    monkeypatch.setattr(feed, "listen", told)
    monkeypatch.setattr(runs, "of_flow_runs", away)

    await worker._listen()

    async with asyncio.timeout(1):
        await worker._watch.moment()


async def test_a_prefect_server_with_a_new_database_is_told_of_the_deployments_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows_pools, registered = False, uuid4()

    async def heartbeat(*_: Any) -> bool:
        return knows_pools

    async def register(*_: Any) -> UUID:
        nonlocal knows_pools
        knows_pools = True
        return registered

    monkeypatch.setattr(deployments, "heartbeat", heartbeat)
    monkeypatch.setattr(deployments, "register", register)

    await worker._greet(PrefectServer().client)

    assert await worker._deployed() == registered
    assert knows_pools
