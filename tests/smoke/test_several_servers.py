"""A desk of two Prefect servers, two workers and two APIs, on PostgreSQL and Redis.

One server has the services, the other has none; each has a worker and an API of its own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

import data
from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from flows.runtime.host.supervisor import Role, Supervisor
from flows.runtime.ledger.database import Ledger
from tests.desk import QUICK, Desk, StartedRun, clean_environment, unused_port
from tests.flows.runtime import postgres
from tests.smoke.redis_server import redis_server

pytestmark = pytest.mark.timeout(600)

START_SECONDS = 300.0
"""How long a role may take: a new PostgreSQL database is migrated first, beside other tests."""
RUNS_SECONDS = 240.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings that all processes have in common: a ledger, Prefect's database and Redis."""
    with (
        redis_server(tmp_path_factory.mktemp("redis")) as redis_url,
        postgres.server() as url,
        Ledger(url) as opened,
    ):
        ledger_url = postgres.new_database(opened, "desk")
        prefect_url = postgres.new_database(opened, "prefect")
        yield {
            **clean_environment(),
            **QUICK,
            "CREDIT_DESK_LEDGER_URL": ledger_url,
            "CREDIT_DESK_PREFECT_REDIS_URL": redis_url,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{_place(prefect_url)}",
        }


@pytest.fixture(scope="module")
async def desks(
    shared: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Desk]]:
    """One desk that is reached in two places."""
    folder = tmp_path_factory.mktemp("several")
    places = [_place_of(shared, folder / "first"), _place_of(shared, folder / "second")]
    places[1]["CREDIT_DESK_PREFECT_SERVICES"] = "false"
    roles = [
        Role(f"{kind}-{number}", [sys.executable, "-P", "-m", "api.cli", kind], place)
        for kind in ("server", "worker", "api")
        for number, place in enumerate(places)
    ]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Supervisor(folder, roles, start_seconds=START_SECONDS))
        yield [await _reached(stack, folder, place) for place in places]


async def test_runs_of_both_apis_end_on_both_servers(desks: list[Desk]) -> None:
    runs = [await desk.start("ada-prime") for desk in desks for _ in range(3)]
    elsewhere = [
        StartedRun(desks[1 - desks.index(run.desk)], run.run_id, run.application_id) for run in runs
    ]

    ended = await asyncio.gather(*(run.events(seconds=RUNS_SECONDS) for run in elsewhere))

    assert [events[-1].type for events in ended] == [EventType.RUN_COMPLETED] * 6
    assert [await _state(desk, run) for desk in desks for run in runs] == ["Completed"] * 12


async def test_a_gate_is_answered_through_the_other_api(desks: list[Desk]) -> None:
    here, there = desks
    for asking, answering in ((here, there), (there, here)):
        run = await asking.start("bora-borderline")
        await run.until(EventType.WAITING, seconds=RUNS_SECONDS)
        await run.until(RunStatus.WAITING, seconds=RUNS_SECONDS)
        same = StartedRun(answering, run.run_id, run.application_id)

        answer = await same.answer(decision="approve", reviewer="underwriter-1", reason="tenure")
        ended = await run.events(seconds=RUNS_SECONDS)

        assert answer.status_code == 202
        assert ended[-1].type is EventType.RUN_COMPLETED
        assert (await run.decision()).outcome is Outcome.APPROVE


async def test_the_server_with_services_records_the_tasks_of_the_others_runs(
    desks: list[Desk],
) -> None:
    run = await desks[1].start("ada-prime")
    await run.events(seconds=RUNS_SECONDS)

    async with asyncio.timeout(60):
        while True:
            if await _finished_tasks(desks[1], await run.flow_run_id()):
                return
            await asyncio.sleep(0.2)


def _place(url: str) -> str:
    """User, host and database of a URL, without its scheme."""
    return url.partition("://")[2]


def _place_of(shared: dict[str, str], home: Path) -> dict[str, str]:
    """The settings of one server, with the worker and the API that use it."""
    home.mkdir()
    return {
        **shared,
        "CREDIT_DESK_HOME": str(home),
        "CREDIT_DESK_API_PORT": str(unused_port()),
        "CREDIT_DESK_PREFECT_PORT": str(unused_port()),
    }


async def _reached(stack: AsyncExitStack, folder: Path, place: dict[str, str]) -> Desk:
    api_url = f"http://127.0.0.1:{place['CREDIT_DESK_API_PORT']}"
    prefect_url = f"http://127.0.0.1:{place['CREDIT_DESK_PREFECT_PORT']}"
    http = await stack.enter_async_context(httpx.AsyncClient(base_url=api_url, timeout=60))
    desk = Desk(folder, api_url, prefect_url, http, psutil.Process(), Path(data.__file__).parent)
    await desk.ready(START_SECONDS)
    return desk


async def _state(desk: Desk, run: StartedRun) -> str:
    """What a server says of the flow run that carried out a run, once that has ended."""
    async with httpx.AsyncClient(base_url=desk.prefect_url, timeout=60) as prefect:
        async with asyncio.timeout(60):
            while True:
                found = await prefect.get(f"/api/flow_runs/{await run.flow_run_id()}")
                state = found.raise_for_status().json()["state"]
                if state["type"] not in {"PENDING", "RUNNING"}:
                    return str(state["name"])
                await asyncio.sleep(0.2)


async def _finished_tasks(desk: Desk, flow_run_id: str) -> int:
    """How many tasks below the stages of a run a server has recorded as completed."""
    stages = {"flow_runs": {"parent_flow_run_id": {"any_": [flow_run_id]}}}
    done = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    async with httpx.AsyncClient(base_url=f"{desk.prefect_url}/api", timeout=60) as prefect:
        counted = await prefect.post("/task_runs/count", json=stages | done)
        return int(counted.raise_for_status().json())
