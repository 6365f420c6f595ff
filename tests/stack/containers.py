"""The containers of docker-compose.yml as plain processes, with the environment they would have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.desk import clean_environment
from tests.flows.runtime import postgres
from tests.stack.compose import SERVICES, command, environment

PORTS = {
    "postgres": 5432,
    "redis": 6379,
    "prefect-services": 4200,
    "prefect": 4200,
    "api": 8000,
    "otel-collector": 4318,
}
"""Where each service listens inside the network of the containers."""
_HEALTHY_SECONDS = 240.0
_STOP_SECONDS = 15.0


@dataclass
class Containers:
    """Processes on this machine in place of containers, each with a folder of its own.

    A name is that of a service, or of a replica of it: `worker`, `worker-2`.
    """

    folder: Path
    ports: Mapping[str, int]
    """Where each service of `PORTS`, and each replica of one, listens here."""
    added: Mapping[str, str]
    """Variables that all have beside those of compose."""
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, **changed: str) -> None:
        """Start a container, with some variables other than compose sets."""
        variables = self._environment(name, changed)
        with (self.folder / f"{name}.log").open("wb") as output:
            self._running[name] = subprocess.Popen(
                self._command(name),
                env=variables,
                cwd=self._home(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def stop(self) -> None:
        """Stop all of them at once. None may have ended earlier."""
        ended = [name for name, process in self._running.items() if process.poll() is not None]
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(timeout=_STOP_SECONDS)
        assert not ended, "\n".join(f"{name} ended:\n{self.log(name)}" for name in ended)

    def done(self, name: str, *arguments: str) -> str:
        """What a one-shot service prints, or other arguments to its entrypoint. It must succeed."""
        ended = subprocess.run(
            self._command(name, *arguments),
            env=self._environment(name),
            cwd=self._home(name),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.strip()

    def wait_until_healthy(self, name: str) -> None:
        """Ask the health check of a service again and again, as compose does."""
        deadline = time.monotonic() + _HEALTHY_SECONDS
        while not self._is_healthy(name):
            assert time.monotonic() < deadline, f"{name} is not healthy:\n{self.log(name)}"
            time.sleep(0.5)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _environment(self, name: str, changed: Mapping[str, str] | None = None) -> dict[str, str]:
        variables = environment(_service(name)) | dict(changed or {})
        home = str(self._home(name))
        tools = os.pathsep.join([str(Path(sys.executable).parent), str(postgres.binaries())])
        return {
            **clean_environment(),
            "PATH": os.pathsep.join([tools, os.environ["PATH"]]),
            "HOME": home,
            "CREDIT_DESK_HOME": home,  # as the image sets it
            **{variable: self._here(text, name) for variable, text in variables.items()},
            **self.added,
        }

    def _home(self, name: str) -> Path:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        return home

    def _is_healthy(self, name: str) -> bool:
        kind, *test = SERVICES[_service(name)]["healthcheck"]["test"]
        words = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        variables = self._environment(name)
        if name == "redis":
            variables["PATH"] = f"{self._redis_cli()}{os.pathsep}{variables['PATH']}"
        here = [self._here(word, name) for word in words]
        return subprocess.run(here, env=variables, capture_output=True, check=False).returncode == 0

    def _redis_cli(self) -> Path:
        """A folder with a `redis-cli` that asks this Redis, as the one of the container does."""
        script = self._home("redis") / "redis-cli"
        script.write_text(
            f'#!/bin/sh\nexec {shutil.which("redis-cli")} -p {self.ports["redis"]} "$@"\n'
        )
        script.chmod(0o755)
        return script.parent

    def _command(self, name: str, *arguments: str) -> list[str]:
        words = list(arguments) or command(_service(name))
        if name == "redis":
            return [*words, "--port", str(self.ports["redis"]), "--bind", "127.0.0.1"]
        if SERVICES[_service(name)]["image"] != "credit-desk-lite":
            return words
        return [sys.executable, "-P", "-m", "api.cli", *words]  # the image's entrypoint

    def _here(self, text: str, name: str) -> str:
        """A text of compose with the addresses and folders of this machine."""
        for service, port in PORTS.items():
            text = re.sub(rf"\b{service}:{port}\b", f"127.0.0.1:{self.ports[service]}", text)
        for port in set(PORTS.values()):
            here = rf"\g<1>{self.ports[self._listener(name, port)]}"
            text = re.sub(rf"(?<![\d:])(?:(127\.0\.0\.1:))?{port}\b", here, text)
        text = "127.0.0.1" if text == "postgres" else text
        # Replicas share the volume with the keys.
        return text.replace("/desk/keys", f"{self._home(_service(name))}/keys")

    def _listener(self, name: str, port: int) -> str:
        """What a port means to a container: itself, or else the last service that listens there."""
        if PORTS.get(_service(name)) == port:
            return name
        return [service for service in PORTS if PORTS[service] == port][-1]


def _service(name: str) -> str:
    return re.sub(r"-\d+$", "", name)
