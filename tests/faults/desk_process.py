"""A desk whose processes are killed, one or all of them, and that starts again on its folder."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import yaml
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from tests.desk import QUICK, ROOT, START_SECONDS, clean_environment, unused_port

ROLES = ("worker", "api", "server")
KINDS = (*ROLES, "roles", "supervisor", "everything")
_COMMAND = """
from api.cli import main
from flows.runtime.host import supervisor
# Tests kill one role again and again. A role that dies so often waits up to 30 s for its restart.
supervisor.LONGEST_DELAY = 0.5
main()
"""


@dataclass
class FaultyDesk:
    """One folder and two ports, and the processes that work there at the moment."""

    folder: Path
    http: httpx.AsyncClient
    api_port: int
    prefect_port: int
    environment: dict[str, str]
    kills: Counter[str] = field(default_factory=Counter)
    process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def faults(self) -> Path:
        """The folder in which files tell `fault_injection` what to break."""
        return self.folder / "faults"

    async def open(self) -> None:
        """Start the desk on the folder as the last desk left it."""
        self.process = await asyncio.to_thread(self._spawn)
        await self.ready()

    async def ready(self) -> None:
        """Wait until all parts of the desk answer."""
        assert self.process is not None
        async with asyncio.timeout(START_SECONDS):
            while True:
                assert self.process.poll() is None, (self.home / "logs" / "up.log").read_text()
                with suppress(httpx.TransportError):
                    if (await self.http.get("/health/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    async def kill(self, kind: str) -> None:
        """Kill processes of one kind with SIGKILL; a desk without supervisor is opened again.

        The kind `prefect` is the Prefect server together with its database.
        """
        assert self.process is not None
        if kind == "prefect":
            await self.lose_prefect()
            return
        supervisor = psutil.Process(self.process.pid)
        roles = self._roles()
        self.kills[kind] += 1
        victims = {
            "roles": list(roles.values()),
            "supervisor": [supervisor],
            "everything": [supervisor, *roles.values()],
        }.get(kind, [roles[kind]] if kind in roles else [])
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        if supervisor in victims:
            await asyncio.to_thread(self.process.wait)
            # The other roles have lost their supervisor and end by themselves.
            _, alive = await asyncio.to_thread(psutil.wait_procs, list(roles.values()), 8)
            assert not alive, f"outlived their supervisor: {alive}"
            await self.open()

    async def lose_prefect(self) -> None:
        """Kill the Prefect server and remove its database; the supervisor starts a new server.

        The supervisor stands still meanwhile: it would start the server on the old database.
        """
        assert self.process is not None
        supervisor = psutil.Process(self.process.pid)
        await self.ready()
        server = self.role("server")
        self.kills["prefect"] += 1
        supervisor.suspend()
        try:
            server.kill()
            await asyncio.to_thread(psutil.wait_procs, [server], 8)
            for path in (self.home / "prefect").glob("prefect.db*"):
                path.unlink()
        finally:
            supervisor.resume()

    async def close(self) -> None:
        """End the desk as an operator does."""
        if self.process is None or self.process.poll() is not None:
            return
        roles = self._roles()
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self.process.wait, 15)
        finally:
            if self.process.poll() is None:
                psutil.Process(self.process.pid).kill()
            for role in roles.values():
                with suppress(psutil.NoSuchProcess):
                    role.kill()

    def role(self, name: str) -> psutil.Process:
        """The process of a role that the supervisor has started."""
        return self._roles()[name]

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more worker of the same desk, without a supervisor."""
        with (self.home / "logs" / "second-worker.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "api.cli", "worker"],
                env=self._variables()
                | {
                    "CREDIT_DESK_HOME": str(self.home),
                    "CREDIT_DESK_PREFECT_PORT": str(self.prefect_port),
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def ledger(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the ledger itself, wherever it is."""
        url = self.environment.get("CREDIT_DESK_LEDGER_URL")
        if url is None:
            return _asked(self.home / "ledger.db", query, *values)
        with psycopg.connect(url, row_factory=dict_row) as connection:
            # SQLite holds JSON as text too.
            connection.adapters.register_loader("json", TextLoader)
            return connection.execute(query.replace("?", "%s"), values or None).fetchall()

    def prefect(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Ask Prefect's own database."""
        return _asked(self.home / "prefect" / "prefect.db", query, *values)

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        """A run's events as the ledger holds them."""
        rows = self.ledger("select body from events where run_id = ? order by id", run_id)
        return [json.loads(row["body"]) for row in rows]

    def flow_run_ids(self) -> dict[str, str]:
        """The Prefect flow run that carries out each run, by the run's id."""
        rows = self.ledger("select run_id, flow_run_id from runs where flow_run_id != ''")
        return {row["run_id"]: row["flow_run_id"] for row in rows}

    def state_in_prefect(self, run_id: str) -> str:
        """The type of a run's state in Prefect's own database."""
        (row,) = self.prefect(
            "select state_type from flow_run where id = ?", self.flow_run_ids()[run_id]
        )
        return str(row["state_type"])

    def _roles(self) -> dict[str, psutil.Process]:
        assert self.process is not None
        found = {}
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    name = child.cmdline()[-1:]
                    if name and name[0] in ROLES:
                        found[name[0]] = child
        return found

    def _spawn(self) -> subprocess.Popen[bytes]:
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        ports = ["--port", str(self.api_port), "--prefect-port", str(self.prefect_port)]
        with (self.home / "logs" / "up.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND, "up", "--home", str(self.home), *ports],
                env=self._variables(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _variables(self) -> dict[str, str]:
        return {**clean_environment(), **QUICK, **self.environment}


@asynccontextmanager
async def faulty_desk_in(folder: Path, **environment: str) -> AsyncIterator[FaultyDesk]:
    """A desk that runs the flow of `fault_injection`, in a folder and on ports of its own."""
    faults, declared = folder / "faults", folder / "prefect.yaml"
    faults.mkdir(parents=True)
    plan = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for deployment in plan["deployments"]:
        if deployment["name"] == "underwrite":
            deployment["entrypoint"] = "tests.faults.fault_injection.underwrite"
    declared.write_text(yaml.safe_dump(plan))
    api_port, prefect_port = unused_port(), unused_port()
    told = {
        "CREDIT_DESK_PREFECT_YAML": str(declared),
        "CREDIT_DESK_TEST_FAULTS": str(faults),
    }
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api_port}", timeout=90) as http:
        desk = FaultyDesk(folder, http, api_port, prefect_port, told | environment)
        try:
            await desk.open()
            yield desk
        finally:
            await desk.close()


def _asked(database: Path, query: str, *values: Any) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, values)]
