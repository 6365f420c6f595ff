"""Lost workers: a run that kills its workers, and a given-up worker that comes back."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from itertools import pairwise
from uuid import uuid4

import psutil
import pytest

from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk

pytestmark = pytest.mark.timeout(400)


@pytest.mark.soak
async def test_a_run_that_kills_its_workers_is_executed_alone_and_then_fails(
    faulty_desk: FaultyDesk,
) -> None:
    name = f"deadly-{uuid4().hex[:8]}"
    trap = faulty_desk.faults / f"kill-{name}"
    trap.touch()
    deadly = await held_runs.start(faulty_desk, name=name)
    others = [await held_runs.start(faulty_desk)]
    await held_runs.until(lambda: len(held_runs.codes(faulty_desk, deadly)) >= 2)
    others += [await held_runs.start(faulty_desk) for _ in range(2)]

    await held_runs.until_ended(faulty_desk, deadly, "failed")
    for other in others:
        await held_runs.until_ended(faulty_desk, other)

    assert held_runs.codes(faulty_desk, deadly) == ["worker_lost"] * 5
    assert held_runs.codes(faulty_desk, deadly, "run.failed") == ["worker_killer"]
    summary = (await faulty_desk.http.get(f"/runs/{deadly.run_id}")).json()
    assert summary["error"]["stage"] == "verification"
    assert "3 workers were lost in one stage of this run" in summary["error"]["message"]
    for other in others:
        invariants.require_whole_journal(faulty_desk, other)
    theirs = [event["ts"] for other in others for event in faulty_desk.journal(other.run_id)]
    for begin, end in alone(faulty_desk, deadly.run_id):
        assert not [ts for ts in theirs if begin <= ts <= end]
    await invariants.until_settled(faulty_desk)

    trap.unlink()
    resumed = await faulty_desk.http.post(f"/runs/{deadly.run_id}/resume")
    assert resumed.status_code == 202, resumed.text
    await held_runs.until_ended(faulty_desk, deadly)
    assert held_runs.content(faulty_desk, deadly) == held_runs.content(faulty_desk, others[0])


def alone(faulty_desk: FaultyDesk, run_id: str) -> list[tuple[str, str]]:
    """The times of a run's executions after it had killed two workers."""
    events = faulty_desk.journal(run_id)
    begins = [n for n, event in enumerate(events) if event["type"] == "run.resumed"]
    ends = [n for n, event in enumerate(events) if event["type"] == "error"]
    spans = []
    for begin in begins[1:4]:
        end = next(n for n in ends if n > begin)
        spans.append((events[begin]["ts"], events[end - 1]["ts"]))
    assert len(spans) == 3
    assert all(first[1] < second[0] for first, second in pairwise(spans))
    return spans


@pytest.mark.soak
async def test_a_worker_that_was_given_up_and_comes_back_writes_nothing(
    faulty_desk: FaultyDesk,
) -> None:
    case = await held_runs.start_held(faulty_desk)
    frozen = await freeze(faulty_desk)
    second = await asyncio.to_thread(faulty_desk.start_worker)
    try:
        await held_runs.until(lambda: lease(faulty_desk, case.run_id)[1] > 1)
        assert str(frozen.pid) not in lease(faulty_desk, case.run_id)[0].split(":")
        held_runs.let_go(faulty_desk, case)
        await held_runs.until_ended(faulty_desk, case)
        await invariants.until_settled(faulty_desk)
        before = faulty_desk.journal(case.run_id), everything_about(faulty_desk, case.run_id)

        frozen.resume()
        await held_runs.until(lambda: "lost the lease" in log_of_worker(faulty_desk))
        await asyncio.sleep(3)
        after = faulty_desk.journal(case.run_id), everything_about(faulty_desk, case.run_id)
    finally:
        frozen.resume()
        second.send_signal(signal.SIGTERM)
        await asyncio.to_thread(second.wait, 15)

    assert after == before
    invariants.require_whole_journal(faulty_desk, case)
    await invariants.until_settled(faulty_desk)
    assert faulty_desk.state_in_prefect(case.run_id) == "COMPLETED"


@pytest.mark.soak
async def test_a_second_worker_takes_no_part_of_what_the_first_one_holds(
    faulty_desk: FaultyDesk,
) -> None:
    case = await held_runs.start_held(faulty_desk)
    second = await asyncio.to_thread(faulty_desk.start_worker)
    try:
        await asyncio.to_thread(psutil.Process(second.pid).is_running)
        await asyncio.sleep(8)
        owner, epoch = lease(faulty_desk, case.run_id)
        held_runs.let_go(faulty_desk, case)
        await held_runs.until_ended(faulty_desk, case)
    finally:
        second.send_signal(signal.SIGTERM)
        await asyncio.to_thread(second.wait, 15)

    assert epoch == 1
    assert str(faulty_desk.role("worker").pid) in owner.split(":")


async def freeze(faulty_desk: FaultyDesk) -> psutil.Process:
    """Stop the worker between two transactions: inside one, it would lock the ledger for all."""
    worker = faulty_desk.role("worker")
    async with asyncio.timeout(30):
        while True:
            worker.suspend()
            if await asyncio.to_thread(is_free, faulty_desk):
                return worker
            worker.resume()
            await asyncio.sleep(0.1)


def is_free(faulty_desk: FaultyDesk) -> bool:
    """Whether another process can write to the ledger now."""
    with closing(sqlite3.connect(faulty_desk.home / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("pragma busy_timeout = 1000")
        try:
            ledger.execute("begin immediate")
        except sqlite3.OperationalError:
            return False
        ledger.execute("rollback")
        return True


def lease(faulty_desk: FaultyDesk, run_id: str) -> tuple[str, int]:
    (row,) = faulty_desk.ledger(
        "select lease_owner, lease_epoch from runs where run_id = ?", run_id
    )
    return row["lease_owner"] or "", row["lease_epoch"]


def everything_about(faulty_desk: FaultyDesk, run_id: str) -> list[tuple[object, ...]]:
    """Everything that the ledger holds about a run, without the journal."""
    rows = faulty_desk.ledger("select * from runs where run_id = ?", run_id)
    rows += faulty_desk.ledger("select * from checkpoints where run_id = ?", run_id)
    rows += faulty_desk.ledger("select * from decisions where run_id = ?", run_id)
    return [tuple(row) for row in rows]


def log_of_worker(faulty_desk: FaultyDesk) -> str:
    return (faulty_desk.home / "logs" / "worker.log").read_text()
