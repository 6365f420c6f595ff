"""The containers of docker-compose.yml, as plain processes with the environment they would have."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from tests.desk import ROOT, clean_environment, unused_port
from tests.flows.runtime import postgres

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
GIVEN = {"CREDIT_DESK_DATABASE_PASSWORD": "secret", "CREDIT_DESK_PREFECT_AUTH": "desk:password"}
ROLES = ("prefect", "worker", "api")
PORTS = {"prefect": 4200, "api": 8000}
READY_SECONDS = 90


def filled_in(text: str, given: Mapping[str, str]) -> str:
    """What compose makes of a text with variables. Raises KeyError for one that it asks for."""

    def value(found: re.Match[str]) -> str:
        name, kind, otherwise = found.groups()
        return given.get(name) or (otherwise if kind == "-" else given[name])

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value, text)


def environment(service: str, given: Mapping[str, str] = GIVEN) -> dict[str, str]:
    return {
        name: filled_in(str(text), given)
        for name, text in COMPOSE["services"][service]["environment"].items()
    }


@pytest.mark.parametrize("missing", GIVEN)
def test_no_password_has_a_default(missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}
    asking = [name for name, service in COMPOSE["services"].items() if missing in str(service)]

    assert asking
    for service in asking:
        with pytest.raises(KeyError, match=missing):
            environment(service, given)


def test_every_container_is_one_role_and_its_ports_are_this_machine_s() -> None:
    services = COMPOSE["services"]
    commands = {
        name: service["command"] for name, service in services.items() if "command" in service
    }

    assert commands == {
        "prefect": ["server"],
        "deploy": ["deploy"],
        "worker": ["worker"],
        "api": ["api"],
    }
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert environment("api")["CREDIT_DESK_API_KEYS_FILE"]
    assert environment("worker")["CREDIT_DESK_API_KEYS_FILE"]


# -- a desk of these containers ------------------------------------------------------------------


@dataclass(frozen=True)
class Containers:
    """Where the processes are that stand for the containers."""

    folder: Path
    ports: Mapping[str, int]
    databases: Mapping[str, str]
    """The whole address in place of the one that names the database's container."""

    def environment(self, service: str) -> dict[str, str]:
        """The service's own, on this machine's addresses and in a folder of its own."""
        home = self.folder / service
        moved = {name: self._here(text, home) for name, text in environment(service).items()}
        return clean_environment() | {"CREDIT_DESK_HOME": str(home)} | moved

    def _here(self, text: str, home: Path) -> str:
        if "@postgres:5432/" in text:
            return self.databases[text.rpartition("/")[2]]
        for name, port in PORTS.items():
            text = re.sub(rf"\b{port}\b", str(self.ports[name]), text)
        return text.replace("//prefect:", "//127.0.0.1:").replace("/desk/", f"{home}/")

    @contextmanager
    def running(self, service: str) -> Iterator[None]:
        with (self.folder / f"{service}.log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "api.cli", *COMPOSE["services"][service]["command"]],
                env=self.environment(service),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield
            assert process.poll() is None, self.log(service)
        finally:
            process.terminate()
            process.wait(timeout=10)

    def told(self, service: str, *arguments: str) -> str:
        """What a command prints that is run in the container of a service."""
        command = [sys.executable, "-P", "-m", "api.cli", *arguments]
        done = subprocess.run(
            command,
            env=self.environment(service),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def checks(self, service: str) -> int:
        """How the container's health check ends."""
        _, *command = COMPOSE["services"][service]["healthcheck"]["test"]
        moved = [self._here(word, self.folder) for word in command]
        assert moved[0] == "python"
        return subprocess.run([sys.executable, *moved[1:]], check=False).returncode

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()


@contextmanager
def databases(folder: Path) -> Iterator[Mapping[str, str]]:
    """The two databases, on PostgreSQL where there is one."""
    if postgres.binaries() is None and not os.environ.get("CREDIT_DESK_REQUIRE_PG"):
        yield {
            "desk": f"sqlite:///{folder}/desk.db",
            "prefect": f"sqlite+aiosqlite:///{folder}/prefect.db",
        }
        return
    with postgres.server() as url:
        engine = sa.create_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(sa.text("create database desk"))
            connection.execute(sa.text(COMPOSE["configs"]["prefects_database"]["content"]))
        engine.dispose()
        server = url.removeprefix("postgresql://").rpartition("/")[0]
        yield {
            "desk": f"postgresql://{server}/desk",
            "prefect": f"postgresql+asyncpg://{server}/prefect",
        }


async def test_the_containers_together_decide_a_case_behind_prefects_password(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        containers = Containers(
            tmp_path,
            {name: unused_port() for name in PORTS},
            stack.enter_context(databases(tmp_path)),
        )
        for service in ROLES:
            stack.enter_context(containers.running(service))
        api_url, prefect_url = (
            f"http://127.0.0.1:{containers.ports[name]}" for name in ("api", "prefect")
        )
        key = containers.told("api", "keys", "create", "--name", "Ina", "--role", "intake")
        asked = f"{prefect_url}/api/flow_runs/filter"
        async with (
            httpx.AsyncClient(base_url=api_url, headers={"X-API-Key": key}) as api,
            httpx.AsyncClient() as anybody,
        ):
            await _until(api, "/health/ready", READY_SECONDS)
            checks = [containers.checks(service) for service in ("prefect", "api")]
            deployed = await asyncio.to_thread(containers.told, "deploy", "deploy")
            accepted = await api.post("/runs", json={"application_id": "ada-prime"})
            run = accepted.raise_for_status().json()
            await _until(api, f"/runs/{run['run_id']}/decision", 30)
            decision = (await api.get(f"/runs/{run['run_id']}/decision")).json()
            doors = [
                await anybody.post(asked, json={}),
                await anybody.post(asked, json={}, auth=("desk", "wrong")),
                await anybody.post(asked, json={}, auth=("desk", "password")),
                await anybody.get(f"{api_url}/runs"),
            ]

    assert checks == [0, 0]
    assert deployed == "underwrite, batch, housekeeping"
    assert decision["content"]["outcome"] == "approve"
    assert run["links"]["prefect"].startswith(prefect_url)
    assert [door.status_code for door in doors] == [401, 401, 200, 401]


async def _until(client: httpx.AsyncClient, path: str, seconds: float) -> None:
    """Wait until there is an answer of 200."""
    last: Any = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    last = await client.get(path)
                    if last.status_code == httpx.codes.OK:
                        return
                except httpx.TransportError as error:
                    last = error
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{path}: {getattr(last, 'text', last)}") from None
