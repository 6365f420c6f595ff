"""A desk that is killed, in parts or as a whole, and opened again on the same folder."""

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
import psutil  # type: ignore[import-untyped, unused-ignore]
import yaml

from tests.desk import QUICK, ROOT, START_SECONDS, clean_environment, unused_port

ROLES = ("worker", "api", "server")
KINDS = (*ROLES, "roles", "supervisor", "everything")


@dataclass
class FaultyDesk:
    """One folder and two ports, and whatever processes work there at the moment."""

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
        """Where files tell `sabotage` what to break."""
        return self.folder / "faults"

    async def open(self) -> None:
        """Start the desk, on whatever the last one left in the folder."""
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
        """Kill processes of one kind with SIGKILL; a desk without supervisor is opened again."""
        assert self.process is not None
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
            # Whoever was not killed has lost its supervisor, and ends by itself.
            _, alive = await asyncio.to_thread(psutil.wait_procs, list(roles.values()), 8)
            assert not alive, f"outlived their supervisor: {alive}"
            await self.open()

    async def close(self) -> None:
        """End the desk as an operator does."""
        if self.process is None or self.process.poll() is not None:
            return
        roles = self._roles()
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self.process.wait, 15)
        finally:
            for one in [psutil.Process(self.process.pid)] if self.process.poll() is None else []:
                one.kill()
            for one in roles.values():
                with suppress(psutil.NoSuchProcess):
                    one.kill()

    def role(self, name: str) -> psutil.Process:
        """The process of a role that the supervisor has started."""
        return self._roles()[name]

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more worker of the same desk, which nobody supervises."""
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

    def ledger(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Ask the ledger itself."""
        return _asked(self.home / "ledger.db", query, *values)

    def prefect(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Ask Prefect's own database."""
        return _asked(self.home / "prefect" / "prefect.db", query, *values)

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        """A run's events as the ledger holds them."""
        rows = self.ledger("select body from events where run_id = ? order by id", run_id)
        return [json.loads(row["body"]) for row in rows]

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
                [sys.executable, "-P", "-m", "api.cli", "up", "--home", str(self.home), *ports],
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
    """A desk that runs the held_runs flow, in a folder and on ports of its own."""
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


def _asked(database: Path, query: str, *values: Any) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query, values).fetchall()
