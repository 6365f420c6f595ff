"""The Prefect server as we launch it: a real one, on a folder and a port of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import prefect
import psutil
import pytest
import websockets
from starlette.types import Message, Receive, Scope, Send

import flows.runtime
from data.contracts.errors import CreditDeskError
from flows.runtime.host.supervisor import Role, RoleState, Supervisor
from flows.runtime.prefect_api.server import AnswerLog, require_supported_prefect
from flows.runtime.prefect_api.ui_files import STATISTICS_KEY
from tests.desk import unused_port

ROOT = Path(flows.runtime.__file__).parents[2]
SERVES = """
import sys
from data.settings import Settings
from flows.runtime.prefect_api.server import serve_prefect
serve_prefect(Settings(home=sys.argv[1], prefect_port=int(sys.argv[2])))
"""
TRANSACTIONS = """
import asyncio, contextlib, json, sys
from data.settings import Settings
from flows.runtime.host.environment import apply_prefect_environment
apply_prefect_environment(Settings(home=sys.argv[1]))
from flows.runtime.prefect_api.server import begin_transactions_immediately
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration

async def two_writers(path):
    database = AioSqliteConfiguration(f"sqlite+aiosqlite:///{path}")
    engine = await database.engine()
    statements = []
    sa.event.listen(
        engine.sync_engine, "before_cursor_execute",
        lambda conn, cursor, statement, *_: statements.append(statement),
    )
    async with engine.connect() as connection:
        await connection.execute(sa.text("create table if not exists t (n integer)"))
        await connection.commit()
    readers = []
    both_have_read = asyncio.Event()
    async def read_then_write():
        async with await database.session(engine) as session:
            async with database.begin_transaction(session):
                await session.execute(sa.text("select count(*) from t"))
                readers.append(session)
                if len(readers) == 2:
                    both_have_read.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(both_have_read.wait(), 1)
                await session.execute(sa.text("insert into t values (1)"))
    ends = await asyncio.gather(read_then_write(), read_then_write(), return_exceptions=True)
    await engine.dispose()
    return {
        "begin": sorted({text for text in statements if text.startswith("BEGIN")}),
        "errors": [str(end.orig) for end in ends if end is not None],
    }

theirs = asyncio.run(two_writers(sys.argv[1] + "/theirs.db"))
begin_transactions_immediately()
ours = asyncio.run(two_writers(sys.argv[1] + "/ours.db"))
print(json.dumps({"theirs": theirs, "ours": ours}))
"""


@dataclass(frozen=True)
class Life:
    """All that is seen of one server from its start to its end."""

    folder: Path
    port: int
    flow: dict[str, str]
    stop_seconds: float
    left: list[psutil.Process]

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"


def server_role(folder: Path, port: int) -> Role:
    command = [sys.executable, "-c", SERVES, str(folder), str(port)]
    often = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "0.5"}
    return Role("server", command, {"PYTHONPATH": str(ROOT)} | often)


@pytest.fixture(scope="session")
async def first_life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A server on a new folder: started, used, and stopped while clients hang on to it."""
    folder = tmp_path_factory.mktemp("desk")
    port = unused_port()
    pids: list[int] = []

    def note_pid(_role: str, state: RoleState, detail: str) -> None:
        if state is RoleState.READY:
            pids.append(int(detail.removeprefix("pid ")))

    supervisor = Supervisor(folder, [server_role(folder, port)], note_pid)
    await supervisor.start()
    server = psutil.Process(pids[0])
    processes = [server, *server.children(recursive=True)]
    address = f"127.0.0.1:{port}/api"
    async with (
        httpx.AsyncClient() as client,
        websockets.connect(
            f"ws://{address}/events/out", subprotocols=[websockets.Subprotocol("prefect")]
        ) as follower,
    ):
        await follower.send('{"type": "auth", "token": ""}')
        await follower.recv()
        await follower.send('{"type": "filter", "filter": {}}')
        created = await client.post(f"http://{address}/flows/", json={"name": "first"})
        told = time.monotonic()
        await supervisor.stop()
        stop_seconds = time.monotonic() - told
    left = [process for process in processes if process.is_running()]
    return Life(folder, port, created.json(), stop_seconds, left)


@pytest.fixture(scope="session")
async def second_life(first_life: Life) -> AsyncIterator[Life]:
    """The server started again on the same folder and port."""
    async with Supervisor(first_life.folder, [server_role(first_life.folder, first_life.port)]):
        yield first_life


def test_a_server_ends_in_time_although_a_websocket_is_open(first_life: Life) -> None:
    assert first_life.stop_seconds < 10  # two by itself; a busy machine takes longer
    assert first_life.left == []
    log = (first_life.folder / "logs" / "server.log").read_text()
    assert "is ready" in log
    assert " ERROR " not in log, log


async def test_a_server_starts_again_on_its_folder_and_port_and_knows_what_it_knew(
    second_life: Life,
) -> None:
    async with httpx.AsyncClient() as client:
        ready = await client.get(f"{second_life.api}/ready")
        flow = await client.get(f"{second_life.api}/flows/{second_life.flow['id']}")

    assert ready.status_code == 200
    assert flow.json()["name"] == "first"


async def test_a_server_keeps_its_database_in_its_folder(second_life: Life) -> None:
    assert (second_life.folder / "prefect" / "prefect.db").is_file()


async def test_a_server_serves_the_user_interface_from_its_folder(second_life: Life) -> None:
    async with httpx.AsyncClient() as client:
        told = await client.get(f"http://127.0.0.1:{second_life.port}/ui-settings")

    assert told.json()["api_url"] == second_life.api
    assert (second_life.folder / "prefect" / "ui" / "v2" / "index.html").is_file()


def test_a_server_s_pages_have_no_key_for_statistics_and_prefect_s_own_have_this_one(
    first_life: Life,
) -> None:
    served = [*(first_life.folder / "prefect" / "ui").glob("*/assets/*.js")]
    shipped = [*Path(prefect.__ui_v2_static_path__).glob("assets/index-*.js")]

    assert served
    assert not [file for file in served if STATISTICS_KEY in file.read_text(encoding="utf-8")]
    assert any(STATISTICS_KEY in file.read_text(encoding="utf-8") for file in shipped)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_the_servers_own_pages_are_answered_under_either_name(
    second_life: Life, name: str
) -> None:
    origin = f"http://{name}:{second_life.port}"
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "a"}
    async with httpx.AsyncClient(headers={"Origin": origin}) as page:
        asked = await page.options(f"{second_life.api}/flow_runs/filter", headers=ask)
        answered = await page.post(f"{second_life.api}/flow_runs/filter", json={})

    for answer in (asked, answered):
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
    async with websockets.connect(
        f"{second_life.api.replace('http', 'ws', 1)}/events/out",
        subprotocols=[websockets.Subprotocol("prefect")],
        origin=websockets.Origin(origin),
    ) as socket:
        assert socket.subprotocol == "prefect"


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://127.0.0.1:1", "null"])
async def test_a_page_from_elsewhere_gets_nothing_done(second_life: Life, origin: str) -> None:
    run = f"{second_life.api}/flow_runs/00000000-0000-4000-8000-000000000000/resume"
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "a"}
    async with httpx.AsyncClient(headers={"Origin": origin}) as page:
        answers = [
            await page.options(run, headers=ask),
            await page.post(run, json={"run_input": {}}),
            await page.post(run, content=b'{"run_input": {}}'),  # a browser asks no leave for it
            await page.get(f"{second_life.api}/admin/version"),
        ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)
    with pytest.raises(websockets.InvalidStatus, match="403"):
        async with websockets.connect(
            f"{second_life.api.replace('http', 'ws', 1)}/events/out",
            subprotocols=[websockets.Subprotocol("prefect")],
            origin=websockets.Origin(origin),
        ):
            pass


async def test_forty_writers_at_once_are_all_served(second_life: Life) -> None:
    log = second_life.folder / "logs" / "server.log"
    async with httpx.AsyncClient(timeout=60) as client:

        async def write(number: int) -> list[int]:
            run = await client.post(
                f"{second_life.api}/flow_runs/",
                json={
                    "flow_id": second_life.flow["id"],
                    "name": f"run-{number}",
                    "state": {"type": "PENDING"},
                },
            )
            moved = await client.post(
                f"{second_life.api}/flow_runs/{run.json()['id']}/set_state",
                json={"state": {"type": "RUNNING"}},
            )
            return [run.status_code, moved.status_code]

        answers = await asyncio.gather(*(write(number) for number in range(40)))

    assert answers == [[201, 201]] * 40
    assert " 503 " not in log.read_text()


async def test_a_schedule_makes_runs(second_life: Life) -> None:
    asked = {
        "name": "hourly",
        "flow_id": second_life.flow["id"],
        "schedules": [{"schedule": {"cron": "0 * * * *", "timezone": "UTC"}, "active": True}],
    }
    planned: list[dict[str, str]] = []
    async with httpx.AsyncClient(timeout=30) as client:
        made = await client.post(f"{second_life.api}/deployments/", json=asked)
        wanted = {"deployments": {"id": {"any_": [made.json()["id"]]}}}
        async with asyncio.timeout(60):
            while not planned:
                await asyncio.sleep(0.2)
                found = await client.post(f"{second_life.api}/flow_runs/filter", json=wanted)
                planned = found.raise_for_status().json()

    assert {flow_run["state_name"] for flow_run in planned} == {"Scheduled"}


def test_prefects_transactions_fail_by_reading_first_and_ours_wait(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", TRANSACTIONS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    seen = json.loads(told.stdout)
    assert seen["theirs"] == {"begin": ["BEGIN DEFERRED"], "errors": ["database is locked"]}
    assert seen["ours"] == {"begin": ["BEGIN IMMEDIATE"], "errors": []}


def test_a_server_refuses_to_run_on_the_settings_of_another_desk(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-c", f"import prefect\n{SERVES}", str(tmp_path / "ours"), "4200"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(tmp_path / "theirs")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 1
    assert "CreditDeskError: Prefect was imported before the environment" in refused.stderr


def test_another_version_of_prefect_is_refused_and_both_are_named() -> None:
    with pytest.raises(CreditDeskError, match=r"3\.8\.8 is installed.*prefect==3\.9\.1"):
        require_supported_prefect("3.8.8")


def test_the_installed_prefect_is_the_supported_one() -> None:
    require_supported_prefect(version("prefect"))


def test_a_server_for_other_machines_is_refused_without_a_password(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-P", "-m", "api.cli", "server"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CREDIT_DESK_HOME": str(tmp_path),
            "CREDIT_DESK_PREFECT_HOST": "0.0.0.0",  # noqa: S104 - the case under test
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 2
    assert refused.stderr.startswith("credit-desk: without a password the Prefect server")
    assert "PREFECT_SERVER_API_AUTH_STRING" in refused.stderr


async def answer(status: int | None) -> None:
    """One request through the log, answered with a status or, with None, by an exception."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if status is None:
            raise RuntimeError("lost")
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        assert message["type"].startswith("http.response")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/flow_runs/",
        "query_string": b"name=Ada",
    }
    await AnswerLog(app)(scope, receive, send)


@pytest.mark.parametrize("status", [500, 503])
async def test_an_answer_of_500_and_above_is_one_line_in_the_log(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    await answer(status)

    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"POST /api/flow_runs/ {status} ")
    assert caplog.messages[0].endswith(" ms")


async def test_a_request_that_raises_is_logged_as_500(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="lost"):
        await answer(None)

    assert caplog.messages[0].startswith("POST /api/flow_runs/ 500 ")


@pytest.mark.parametrize("status", [200, 404, 499])
async def test_other_answers_are_not_logged(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "flows.runtime.prefect_api.server")

    await answer(status)

    assert caplog.messages == []
