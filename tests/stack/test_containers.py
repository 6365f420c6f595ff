"""The services of docker-compose.yml, started in their order, work together.

Each of Prefect's two servers has a worker and an API here. In compose all of these use the one that
is published; the second pair shows that neither server keeps something to itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import QUICK, ROOT, Desk, StartedRun, unused_port
from tests.flows.runtime import postgres
from tests.otlp import Receiver, receiving
from tests.stack import redis
from tests.stack.containers import PORTS, Containers

pytestmark = pytest.mark.timeout(600)
PATIENCE_SECONDS = 120.0
OTHER_SERVER = "http://prefect-services:4200/api"
LOOP_SECONDS, TURN_SECONDS = 0.5, 15.0


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    """In the place of the collector."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def containers(
    tmp_path_factory: pytest.TempPathFactory, collector: Receiver
) -> Iterator[Containers]:
    """The whole stack, in the order that the conditions of compose ask for."""
    redis.require()
    with ExitStack() as stack:
        server = urlsplit(stack.enter_context(postgres.server()))
        ports = {name: unused_port() for name in [*PORTS, "api-2"]}
        ports["postgres"] = server.port or 0
        ports["otel-collector"] = urlsplit(collector.url).port or 0
        loop = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": str(LOOP_SECONDS)}
        containers = Containers(tmp_path_factory.mktemp("containers"), ports, QUICK | loop)
        stack.callback(containers.stop)
        _start_in_order(containers)
        yield containers


def _start_in_order(containers: Containers) -> None:
    containers.done("prefect-database", "createdb", "desk")  # as POSTGRES_DB does
    containers.start("redis")
    containers.done("prefect-database")
    containers.done("prefect-database")  # a stack that is started again has it already
    containers.wait_until_healthy("redis")
    containers.start("prefect-services")
    containers.wait_until_healthy("prefect-services")
    containers.start("prefect")
    containers.wait_until_healthy("prefect")
    containers.start("api")
    containers.start("api-2", PREFECT_API_URL=OTHER_SERVER)
    assert containers.done("deploy") == "underwrite, batch, housekeeping, drift"
    containers.start("worker")
    containers.start("worker-2", PREFECT_API_URL=OTHER_SERVER)


@pytest.fixture(scope="module")
async def desks(containers: Containers) -> AsyncIterator[list[Desk]]:
    """One desk in two places, with a person in each: the one who submits may not approve."""
    async with AsyncExitStack() as stack:
        yield [
            await _reached(stack, containers, "Ina", "api", "prefect"),
            await _reached(stack, containers, "Una", "api-2", "prefect-services"),
        ]


async def _reached(
    stack: AsyncExitStack, containers: Containers, person: str, api: str, server: str
) -> Desk:
    """A desk as a person with a key of their own reaches it through one API."""
    named = ("--name", person, "--role", "intake", "--role", "underwriter")
    key = await asyncio.to_thread(containers.done, "api", "keys", "create", *named)
    await asyncio.to_thread(containers.wait_until_healthy, api)
    url, headers = containers.url(api), {"X-API-Key": key}
    http = await stack.enter_async_context(
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60)
    )
    return Desk(
        containers.folder, url, containers.url(server), http, psutil.Process(), ROOT / "data"
    )


async def test_what_is_published_asks_for_a_key_or_a_password(
    desks: list[Desk], containers: Containers
) -> None:
    asked = f"{containers.url('prefect')}/api/flow_runs/filter"
    async with httpx.AsyncClient() as stranger:
        doors = [
            await stranger.get(f"{containers.url('api')}/runs"),
            await stranger.post(asked, json={}),
            await stranger.post(asked, json={}, auth=("desk", "wrong")),
            await stranger.post(asked, json={}, auth=("desk", "password")),
        ]

    assert [door.status_code for door in doors] == [401, 401, 401, 200]


async def test_runs_of_both_apis_end_on_both_servers_with_their_tasks(
    desks: list[Desk], collector: Receiver
) -> None:
    runs = [await desk.start("ada-prime") for desk in desks]
    elsewhere = [_seen_by(desks[1 - desks.index(run.desk)], run) for run in runs]

    ended = await asyncio.gather(*(run.events(seconds=PATIENCE_SECONDS) for run in elsewhere))

    assert [events[-1].type for events in ended] == [EventType.RUN_COMPLETED] * 2
    assert (await runs[0].decision()).outcome is Outcome.APPROVE
    assert [await _state(desk, run) for desk in desks for run in runs] == ["Completed"] * 4
    for run in runs:
        await _until_tasks_are_recorded(desks[0], run)
    trace_id = (await runs[0].summary()).trace_id
    span = await asyncio.to_thread(collector.wait_for, trace_id, "execute_tool screen_watchlists")
    assert span.service == "credit-desk-lite"


async def test_a_gate_is_answered_through_the_other_api(desks: list[Desk]) -> None:
    here, there = desks
    await asyncio.gather(_answer_elsewhere(here, there), _answer_elsewhere(there, here))


async def test_a_loop_of_the_services_goes_on_beside_a_server_that_has_none(
    desks: list[Desk],
) -> None:
    """Each new schedule takes another turn of the scheduler."""
    async with _prefect(desks[0]) as prefect:
        flow = (await prefect.post("/flows/", json={"name": "turns"})).raise_for_status().json()
        for turn in range(5):
            schedule = {"schedule": {"interval": 3600}, "active": True}
            named = {"name": f"turn-{turn}", "flow_id": flow["id"], "schedules": [schedule]}
            created = (await prefect.post("/deployments/", json=named)).raise_for_status()
            async with asyncio.timeout(TURN_SECONDS):
                await _until_planned(prefect, created.json()["id"])


async def _answer_elsewhere(asking: Desk, answering: Desk) -> None:
    """Start a run that waits for a person in one place, and answer it in the other."""
    run = await asking.start("bora-borderline")
    await run.until(EventType.WAITING, seconds=PATIENCE_SECONDS)
    await run.until(RunStatus.WAITING, seconds=PATIENCE_SECONDS)
    same = _seen_by(answering, run)

    answer = await same.answer(decision="approve", reason="tenure")
    assert answer.status_code == 202, answer.text
    ended = await run.events(seconds=PATIENCE_SECONDS)

    assert ended[-1].type is EventType.RUN_COMPLETED
    assert (await run.decision()).outcome is Outcome.APPROVE


def _seen_by(desk: Desk, run: StartedRun) -> StartedRun:
    return StartedRun(desk, run.run_id, run.application_id)


def _prefect(desk: Desk) -> httpx.AsyncClient:
    """A client of a desk's Prefect server. The one with the services asks for no password."""
    return httpx.AsyncClient(
        base_url=f"{desk.prefect_url}/api", auth=("desk", "password"), timeout=60
    )


async def _state(desk: Desk, run: StartedRun) -> str:
    """What a server says of the flow run that carried out a run, once that has ended."""
    async with _prefect(desk) as prefect, asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await prefect.get(f"/flow_runs/{await run.flow_run_id()}")
            state = found.raise_for_status().json()["state"]
            if state["type"] not in {"PENDING", "RUNNING"}:
                return str(state["name"])
            await asyncio.sleep(0.2)


async def _until_tasks_are_recorded(desk: Desk, run: StartedRun) -> None:
    """Wait until a server knows tasks below the stages of a run as completed."""
    stages = {"flow_runs": {"parent_flow_run_id": {"any_": [await run.flow_run_id()]}}}
    done = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    async with _prefect(desk) as prefect, asyncio.timeout(PATIENCE_SECONDS):
        await _until_counted(prefect, "/task_runs/count", stages | done)


async def _until_planned(prefect: httpx.AsyncClient, deployment_id: str) -> None:
    """Wait until the scheduler has made runs of a deployment."""
    runs = {"deployments": {"id": {"any_": [deployment_id]}}}
    await _until_counted(prefect, "/flow_runs/count", runs)


async def _until_counted(prefect: httpx.AsyncClient, path: str, wanted: dict[str, Any]) -> None:
    while True:
        if (await prefect.post(path, json=wanted)).raise_for_status().json():
            return
        await asyncio.sleep(0.1)
