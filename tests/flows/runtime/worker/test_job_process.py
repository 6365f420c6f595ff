"""Scheduled jobs: processes of the worker's own, bounded, cancelled, and never orphaned."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from data import traces
from flows.runtime.worker.job_process import FLOW_RUN_ID
from tests.desk import ROOT, Desk
from tests.otlp import Receiver

PATIENCE_SECONDS = 40.0


@pytest.fixture
async def prefect(hasty_desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{hasty_desk.prefect_url}/api", timeout=30) as http:
        yield http


async def ordered(
    prefect: httpx.AsyncClient, name: str = "slow-job/slow", **parameters: Any
) -> str:
    """A run of a deployment, due at once."""
    deployment = (await prefect.get(f"/deployments/name/{name}")).raise_for_status().json()["id"]
    run = await prefect.post(
        f"/deployments/{deployment}/create_flow_run", json={"parameters": parameters}
    )
    run_id: str = run.raise_for_status().json()["id"]
    return run_id


async def state_of(prefect: httpx.AsyncClient, run_id: str) -> str:
    name: str = (await prefect.get(f"/flow_runs/{run_id}")).raise_for_status().json()["state_name"]
    return name


async def until(there: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not await there():
        assert time.monotonic() < deadline, f"not after {seconds:g} s"
        await asyncio.sleep(0.1)


async def until_state(
    prefect: httpx.AsyncClient, run_id: str, state: str, seconds: float = PATIENCE_SECONDS
) -> None:
    async def there() -> bool:
        return await state_of(prefect, run_id) == state

    await until(there, seconds)


async def until_there(mark: Path) -> str:
    """What a mark says, once it is there."""

    async def said() -> bool:
        return await asyncio.to_thread(lambda: mark.exists() and bool(mark.read_text()))

    await until(said)
    return await asyncio.to_thread(mark.read_text)


async def until_gone(pid: int) -> float:
    """How long it took a process to end."""
    begun = time.monotonic()

    async def gone() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await until(gone)
    return time.monotonic() - begun


async def cancel(prefect: httpx.AsyncClient, run_id: str) -> None:
    """As the Prefect UI does."""
    state = {"type": "CANCELLING", "name": "Cancelling"}
    answer = await prefect.post(
        f"/flow_runs/{run_id}/set_state", json={"state": state, "force": True}
    )
    answer.raise_for_status()


async def test_a_job_is_a_process_of_the_worker_and_comes_to_its_end(
    hasty_desk: Desk, prefect: httpx.AsyncClient, tmp_path: Path, otlp: Receiver
) -> None:
    run_id = await ordered(prefect, marks=str(tmp_path), seconds=0)

    await until_state(prefect, run_id, "Completed")

    async def is_traced() -> bool:
        return any(span.attributes.get(traces.PREFECT_RUN_ID) == run_id for span in otlp.spans)

    await until(is_traced)

    child, parent = map(int, (await until_there(tmp_path / "start-1")).split())
    worker = hasty_desk.role("worker").pid
    assert (child != worker, parent) == (True, worker)
    assert (tmp_path / "end-1").exists()


@pytest.mark.soak
async def test_one_job_is_under_way_at_a_time_and_a_run_does_not_wait_for_it(
    hasty_desk: Desk, prefect: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = await ordered(prefect, marks=str(tmp_path / "one"))
    await until_there(tmp_path / "one" / "start-1")
    second = await ordered(prefect, marks=str(tmp_path / "two"), seconds=0)

    await (await hasty_desk.start("ada-prime")).decision()

    assert await state_of(prefect, first) == "Running"
    assert not list((tmp_path / "two").iterdir())
    await cancel(prefect, first)
    await until_state(prefect, second, "Completed")


async def test_a_cancelled_job_ends_and_stays_cancelled(
    prefect: httpx.AsyncClient, tmp_path: Path
) -> None:
    run_id = await ordered(prefect, marks=str(tmp_path))
    child = int((await until_there(tmp_path / "start-1")).split()[0])

    await cancel(prefect, run_id)

    assert await until_gone(child) < 10
    await until_state(prefect, run_id, "Cancelled")
    await asyncio.sleep(1)
    assert await state_of(prefect, run_id) == "Cancelled"
    assert not (tmp_path / "end-1").exists()


async def test_a_job_whose_process_is_killed_has_crashed(
    prefect: httpx.AsyncClient, tmp_path: Path
) -> None:
    run_id = await ordered(prefect, marks=str(tmp_path))
    child = int((await until_there(tmp_path / "start-1")).split()[0])

    psutil.Process(child).send_signal(signal.SIGKILL)

    await until_state(prefect, run_id, "Crashed")


async def test_a_job_ends_with_a_killed_worker_and_is_taken_up_by_the_next(
    hasty_desk: Desk, prefect: httpx.AsyncClient, tmp_path: Path
) -> None:
    run_id = await ordered(prefect, marks=str(tmp_path))
    child = int((await until_there(tmp_path / "start-1")).split()[0])

    hasty_desk.role("worker").kill()

    assert await until_gone(child) < 10
    await until_state(prefect, run_id, "Completed", 2 * PATIENCE_SECONDS)
    assert (tmp_path / "end-2").exists()
    assert not (tmp_path / "end-1").exists()


@pytest.mark.soak
async def test_a_worker_that_stops_in_good_order_hands_its_job_back(
    hasty_desk: Desk, prefect: httpx.AsyncClient, tmp_path: Path
) -> None:
    run_id = await ordered(prefect, marks=str(tmp_path))
    child = int((await until_there(tmp_path / "start-1")).split()[0])

    hasty_desk.role("worker").terminate()

    assert await until_gone(child) < 10
    await until_state(prefect, run_id, "Completed")
    assert (tmp_path / "end-2").exists()


def test_a_child_without_a_run_says_what_it_lacks() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "flows.runtime.worker.job_process"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert FLOW_RUN_ID in ended.stderr
