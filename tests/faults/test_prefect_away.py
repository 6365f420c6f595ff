"""The Prefect server is away: the desk accepts applications, and they run when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil
import pytest

from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk

pytestmark = pytest.mark.timeout(400)
Away = Callable[[FaultyDesk], AbstractContextManager[None]]
ANSWER_SECONDS = 15.0


@contextmanager
def gone(faulty_desk: FaultyDesk) -> Iterator[None]:
    """The server was killed, and the supervisor has not started another one yet."""
    assert faulty_desk.process is not None
    supervisor = psutil.Process(faulty_desk.process.pid)
    server = faulty_desk.role("server")
    supervisor.suspend()
    try:
        server.kill()
        yield
    finally:
        supervisor.resume()


@contextmanager
def hanging(faulty_desk: FaultyDesk) -> Iterator[None]:
    """The server takes connections and does not answer."""
    server = faulty_desk.role("server")
    server.suspend()
    try:
        yield
    finally:
        server.resume()


@pytest.mark.parametrize("away", [gone, hanging])
async def test_an_application_is_accepted_while_prefect_is_away_and_runs_afterwards(
    faulty_desk: FaultyDesk, away: Away
) -> None:
    with away(faulty_desk):
        began = time.monotonic()
        case = await held_runs.start(faulty_desk)
        seconds = time.monotonic() - began
        summary = (await faulty_desk.http.get(f"/runs/{case.run_id}")).json()

    assert summary["status"] == "queued"
    await held_runs.until_ended(faulty_desk, case)
    invariants.require_whole_journal(faulty_desk, case)
    invariants.require_one_memo_each(faulty_desk, [case])
    await invariants.until_settled(faulty_desk)
    assert seconds < ANSWER_SECONDS


async def test_reads_and_streams_go_on_while_prefect_is_away(faulty_desk: FaultyDesk) -> None:
    case = await held_runs.start(faulty_desk)
    await held_runs.until_ended(faulty_desk, case)

    with gone(faulty_desk):
        answers = [
            await faulty_desk.http.get(f"/runs/{case.run_id}{place}")
            for place in ("", "/state", "/decision", "/checkpoints", "/events")
        ]
        async with asyncio.timeout(ANSWER_SECONDS):
            ready = await faulty_desk.http.get("/health/ready")
            while ready.status_code == 200:
                await asyncio.sleep(0.1)
                ready = await faulty_desk.http.get("/health/ready")

    assert [answer.status_code for answer in answers] == [200] * 5
    told = answers[-1].text.count("\ndata:")
    assert told == len(faulty_desk.journal(case.run_id))
    assert (ready.status_code, ready.json()["checks"]["prefect"]) == (503, False)
    assert "retry-after" in ready.headers
    await faulty_desk.ready()
