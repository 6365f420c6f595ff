"""A real desk, and what a test does with it: start a run, follow it, answer, read its end.

Everything goes over HTTP and Server-Sent Events, as it would for any other client.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

import data
from data.contracts.decision import DecisionContent
from data.contracts.events import TERMINAL, Event, EventType
from data.contracts.runs import RunStatus, RunSummary

ROOT = Path(data.__file__).parents[1]
START_SECONDS = 120.0
STOP_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
"""How long a test waits for something that should take much less than a second."""
QUICK = {
    "CREDIT_DESK_MAX_ACTIVE_RUNS": "4",
    "CREDIT_DESK_AGENT_BACKOFF_SECONDS": "0.02",
    "CREDIT_DESK_LEASE_SECONDS": "4",
}
"""Settings of a test desk: it notices and retries failures soon."""


@dataclass
class StartedRun:
    """One run, as the client that started it sees it."""

    desk: Desk
    run_id: str
    application_id: str
    seen: list[Event] = field(default_factory=list)
    """The events that the test has read so far, in their order."""

    @property
    def url(self) -> str:
        return f"/runs/{self.run_id}"

    async def follow(self, after: int = 0) -> AsyncGenerator[Event]:
        """Every event after a number, live, until the stream ends."""
        async with self.desk.http.stream("GET", f"{self.url}/events?after={after}") as answer:
            assert answer.status_code == 200, answer.status_code
            frame: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    frame[name] = value
                elif "data" in frame:
                    event = Event.model_validate_json(frame["data"])
                    name = "run.error" if event.type is EventType.ERROR else event.type.value
                    assert (frame["id"], frame["event"]) == (str(event.id), name)
                    yield event
                    frame = {}
                else:
                    frame = {}

    async def until(
        self, goal: EventType | RunStatus, *, seconds: float = PATIENCE_SECONDS
    ) -> Event:
        """Wait for the next event of a type, or for the run to have a status.

        Returns the event; for a status the last one that was read.
        """
        async with asyncio.timeout(seconds):
            if isinstance(goal, RunStatus):
                while (await self.summary()).status is not goal:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
                return self.seen[-1] if self.seen else await self._next(lambda _: True)
            return await self._next(lambda event: event.type is goal)

    async def events(self, *, seconds: float = PATIENCE_SECONDS) -> list[Event]:
        """The whole journal, once the run has ended."""
        async with asyncio.timeout(seconds):
            return [event async for event in self.follow()]

    async def answer(self, **fields: Any) -> httpx.Response:
        """Answer the open request. Fields that a test does not name get a valid value."""
        named: dict[str, Any] = {"reviewer": "underwriter-1", "reason": "seen and considered"}
        if "gate" not in fields:
            asked = await self.desk.http.get(f"{self.url}/hitl")
            named["gate"] = asked.json()["review"]["gate"]
        return await self.desk.http.post(f"{self.url}/hitl", json=named | fields)

    async def flow_run_id(self) -> str:
        """The id of the Prefect flow run that carries out this run; waits until there is one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                flow_run_id = (await self.summary()).links.prefect.rpartition("/")[2]
                if flow_run_id:
                    return flow_run_id
                await asyncio.sleep(0.05)

    async def summary(self) -> RunSummary:
        answer = await self.desk.http.get(self.url)
        return RunSummary.model_validate(answer.raise_for_status().json())

    async def decision(self) -> DecisionContent:
        """The content of the decision; waits for the end of the run."""
        await self.events()
        answer = await self.desk.http.get(f"{self.url}/decision")
        return DecisionContent.model_validate(answer.raise_for_status().json()["content"])

    async def _next(self, wanted: Callable[[Event], bool]) -> Event:
        after = self.seen[-1].id if self.seen else 0
        async with aclosing(self.follow(after)) as stream:
            async for event in stream:
                self.seen.append(event)
                if wanted(event):
                    return event
                assert event.type not in TERMINAL, f"the run ended with {event.message}"
        raise AssertionError("the stream ended before the run")


@dataclass
class Desk:
    """A desk that is running."""

    home: Path
    api_url: str
    prefect_url: str
    http: httpx.AsyncClient
    process: psutil.Process
    """The supervisor; its children are the server, the worker and the API."""
    data_dir: Path
    """The desk's own copy of the versioned data. Tests may add files."""

    async def start(self, persona: str, **options: Any) -> StartedRun:
        """Underwrite a copy of a persona under an id of its own, so that tests do not meet."""
        options.setdefault("as", f"{persona}-{uuid4().hex[:12]}")
        answer = await self.http.post("/runs", json={"application_id": persona, "options": options})
        assert answer.status_code in {200, 202}, answer.text
        accepted = answer.json()
        return StartedRun(self, accepted["run_id"], accepted["application_id"])

    def role(self, name: str) -> psutil.Process:
        """The process of a role: `server`, `worker` or `api`."""
        for child in self.process.children():
            if child.cmdline()[-1:] == [name]:
                return child
        raise AssertionError(f"there is no {name}")

    async def ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until all parts of the desk answer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if (await self.http.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.is_running(), self.log("up")
            await asyncio.sleep(0.1)
        raise AssertionError(f"the desk is not ready:\n{self.log('up')}")

    async def kill(self, *roles: str) -> None:
        """Kill roles as a crash would, and wait until the supervisor has replaced them."""
        old = [self.role(name) for name in roles]
        for process in old:
            process.kill()
        async with asyncio.timeout(START_SECONDS):
            while not self._is_whole(without=old):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.1)
        await self.ready()

    def _is_whole(self, without: list[psutil.Process]) -> bool:
        gone = not any(process.is_running() for process in without)
        return gone and len(self.process.children()) == 3

    def log(self, role: str) -> str:
        return (self.home / "logs" / f"{role}.log").read_text()


@asynccontextmanager
async def desk_in(folder: Path, **environment: str) -> AsyncIterator[Desk]:
    """A desk on free ports, with all its data in `folder`; ended as an operator ends it."""
    home, api_port, prefect_port = folder / "home", unused_port(), unused_port()
    data_dir = folder / "data"
    for name in ("chat", "models", "policy", "synthetic", "watchlists"):
        shutil.copytree(ROOT / "data" / name, data_dir / name)
    api_url, prefect_url = f"http://127.0.0.1:{api_port}", f"http://127.0.0.1:{prefect_port}"
    environment = {"CREDIT_DESK_DATA_DIR": str(data_dir), **environment}
    process = _begin(
        home, ["--port", str(api_port), "--prefect-port", str(prefect_port)], environment
    )
    try:
        async with httpx.AsyncClient(base_url=api_url, timeout=30) as http:
            supervisor = psutil.Process(process.pid)
            desk = Desk(home, api_url, prefect_url, http, supervisor, data_dir)
            await desk.ready()
            yield desk
    finally:
        await asyncio.to_thread(_end, process)


def clean_environment() -> dict[str, str]:
    """This process's environment without the variables of the tests' own Prefect."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CREDIT_DESK_", "PREFECT_"))
    }
    return kept | {"PYTHONPATH": str(ROOT)}


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _begin(home: Path, ports: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    (home / "logs").mkdir(parents=True)
    with (home / "logs" / "up.log").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "api.cli", "up", "--home", str(home), *ports],
            env={**clean_environment(), **QUICK, **environment},
            cwd=home.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the desk. It has to end in time, together with every process that it started."""
    family = [psutil.Process(process.pid)] if process.poll() is None else []
    family += [child for parent in family for child in parent.children(recursive=True)]
    process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    try:
        process.wait(timeout=STOP_SECONDS * 2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    while (left := [process for process in family if _is_alive(process)]) and (
        time.monotonic() - told < STOP_SECONDS * 2
    ):
        time.sleep(0.05)  # the kernel may still be taking a large process apart
    seconds = time.monotonic() - told
    for process in left:
        process.kill()
    assert not left, f"the desk left {left}"
    # The desk promises five seconds; a machine that is busy with other tests gets ten.
    assert seconds < STOP_SECONDS * 2, f"the desk took {seconds:.1f} s to end"
    assert process.returncode == 0


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
