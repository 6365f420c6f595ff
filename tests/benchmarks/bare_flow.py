"""A bare Prefect flow of a given shape, executed the way the worker executes runs of the desk.

`python -m tests.benchmarks.bare_flow 1,3,1` executes, for each line on its standard input, a flow
of three subflows with one, three and one task that do nothing. It prints the id of each flow run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psutil
from prefect import Flow, Task
from prefect.states import Scheduled

from data.settings import Settings
from flows.runtime.execution.engine import execute
from flows.runtime.host.environment import prefect_environment
from flows.runtime.prefect_api.client import PrefectClient, prefect_client
from flows.runtime.prefect_api.scheduled import claim
from tests.desk import Desk, clean_environment


class BareWorker:
    """The parent's side of the process that executes bare flows."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.process = psutil.Process(process.pid)

    async def run(self) -> str:
        """Execute the bare flow once. Returns the id of its flow run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        line = await self._process.stdout.readline()
        assert line, "the process of the bare flow has ended"
        return line.decode().strip()


@asynccontextmanager
async def bare_worker(desk: Desk, shape: Sequence[int]) -> AsyncIterator[BareWorker]:
    """A process that executes bare flows of a shape on the Prefect server of a desk."""
    port = urlsplit(desk.prefect_url).port
    assert port is not None
    environment = prefect_environment(Settings(home=desk.home, prefect_port=port))
    own = {"PREFECT_API_URL": f"{desk.prefect_url}/api"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tests.benchmarks.bare_flow"),
        ",".join(map(str, shape)),
        env={**clean_environment(), **environment, **own},
        cwd=Path(desk.home),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield BareWorker(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def _bare(shape: Sequence[int]) -> Flow[..., Any]:
    """As many subflows and tasks as a run of the desk has, made in the same way, without a body."""

    async def nothing() -> None:
        return None

    def stage(number: int, tasks: int) -> Flow[[], Coroutine[Any, Any, None]]:
        async def body() -> None:
            made = (Task(nothing, name=f"task {n}", persist_result=False) for n in range(tasks))
            await asyncio.gather(*(task() for task in made))

        name = f"bare-stage-{number}"
        return Flow(body, name=name, persist_result=False, validate_parameters=False)

    async def bare() -> None:
        for number, tasks in enumerate(shape):
            await stage(number, tasks)()

    return Flow(bare, name="bare", persist_result=False)


async def _execute(client: PrefectClient, flow: Flow[..., Any]) -> UUID:
    flow_run = await client.create_flow_run(flow, state=Scheduled())
    accepted = await claim(client, flow_run)
    assert accepted is not None, "another process has claimed the bare flow run"
    await execute(flow, flow_run, accepted, {})
    return flow_run.id


async def _serve(shape: Sequence[int]) -> None:
    flow = _bare(shape)
    async with prefect_client() as client:
        while await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(f"{await _execute(client, flow)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve([int(tasks) for tasks in sys.argv[1].split(",")]))
