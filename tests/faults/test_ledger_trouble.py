"""The ledger is full or locked, or a checkpoint is damaged: the desk says so and loses nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk
from tests.faults.load import Case

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
async def quiet(faulty_desk: FaultyDesk) -> tuple[str, str]:
    """The decision of an undisturbed run."""
    case = await held_runs.start(faulty_desk)
    await held_runs.until_ended(faulty_desk, case)
    return held_runs.content(faulty_desk, case)


async def test_a_full_disk_delays_runs_and_loses_nothing(
    faulty_desk: FaultyDesk, quiet: tuple[str, str]
) -> None:
    case = await held_runs.start_held(faulty_desk)
    limit = faulty_desk.faults / "pages"
    limit.write_text("1")  # SQLite never shrinks: no page more than it has
    try:
        held_runs.let_go(faulty_desk, case)
        refused = await until_refused(faulty_desk)
        await held_runs.until(lambda: "disk is full" in log(faulty_desk, "worker"))
    finally:
        limit.unlink()

    assert refused["code"] == "unavailable"
    assert "full" in refused["detail"]
    assert held_runs.status_of(faulty_desk, case) != "failed"
    await held_runs.until_ended(faulty_desk, case)
    assert set(held_runs.codes(faulty_desk, case)) <= {"unavailable", "interrupted"}
    assert held_runs.codes(faulty_desk, case)
    assert held_runs.content(faulty_desk, case) == quiet
    invariants.require_whole_journal(faulty_desk, case)
    await invariants.until_settled(faulty_desk)


async def test_a_ledger_that_another_process_locks_delays_runs_and_loses_nothing(
    faulty_desk: FaultyDesk, quiet: tuple[str, str], soak: bool
) -> None:
    case = await held_runs.start_held(faulty_desk)
    seconds = 40 if soak else 4
    with closing(sqlite3.connect(faulty_desk.home / "ledger.db", isolation_level=None)) as foreign:
        foreign.execute("pragma busy_timeout = 30000")
        foreign.execute("begin immediate")
        held_runs.let_go(faulty_desk, case)
        await asyncio.sleep(seconds)
        meanwhile = held_runs.status_of(faulty_desk, case)
        foreign.execute("rollback")

    assert meanwhile == "running"
    await held_runs.until_ended(faulty_desk, case)
    assert held_runs.content(faulty_desk, case) == quiet
    invariants.require_whole_journal(faulty_desk, case)
    await invariants.until_settled(faulty_desk)


async def test_a_damaged_checkpoint_is_in_the_journal_and_the_run_starts_over(
    faulty_desk: FaultyDesk, quiet: tuple[str, str]
) -> None:
    damages: tuple[tuple[Callable[[bytes], bytes | None], str], ...] = (
        (lambda body: body[: len(body) // 2], "checkpoint_corrupt"),
        (flip, "checkpoint_corrupt"),
        (lambda body: None, "checkpoint_not_found"),
    )
    cases = [await held_runs.start_held(faulty_desk) for _ in damages]
    for case, (damage, _) in zip(cases, damages, strict=True):
        spoil(faulty_desk, case.run_id, damage)
    await faulty_desk.kill("worker")
    await held_runs.until(lambda: all(missing(faulty_desk, case) for case in cases))
    for case in cases:
        held_runs.let_go(faulty_desk, case)

    for case, (_, code) in zip(cases, damages, strict=True):
        await held_runs.until_ended(faulty_desk, case)
        assert missing(faulty_desk, case) == [code]
        assert held_runs.content(faulty_desk, case) == quiet
        events = faulty_desk.journal(case.run_id)
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    await invariants.until_settled(faulty_desk)


def missing(faulty_desk: FaultyDesk, case: Case) -> list[str]:
    """Why checkpoints of a run could not be read."""
    return held_runs.codes(faulty_desk, case, "checkpoint.missing")


def flip(body: bytes) -> bytes:
    """The same document with another word in it."""
    text = zlib.decompress(body)
    assert b"ada-prime" in text or b"intake" in text
    return zlib.compress(text.replace(b"intake", b"intaki"))


def spoil(faulty_desk: FaultyDesk, run_id: str, damage: Callable[[bytes], bytes | None]) -> None:
    """Change the body of a run's last checkpoint behind the desk's back."""
    with closing(sqlite3.connect(faulty_desk.home / "ledger.db", timeout=30)) as connection:
        path, body = connection.execute(
            "select b.path, b.body from checkpoints c join blobs b on b.path = c.storage_key "
            "where c.run_id = ? order by c.ordinal desc limit 1",
            (run_id,),
        ).fetchone()
        damaged = damage(body)
        if damaged is None:
            connection.execute("delete from blobs where path = ?", (path,))
        else:
            connection.execute("update blobs set body = ? where path = ?", (damaged, path))
        connection.commit()


async def until_refused(faulty_desk: FaultyDesk) -> dict[str, str]:
    """Submit applications until the desk refuses one; the problem that it answers."""
    for number in range(20):
        request = {"application_id": "ada-prime", "options": {"as": f"overflow-{number}"}}
        answer = await faulty_desk.http.post("/runs", json=request)
        if answer.status_code == 503:
            assert "retry-after" in answer.headers
            problem: dict[str, str] = answer.json()
            return problem
    raise AssertionError("a full ledger accepts applications")


def log(faulty_desk: FaultyDesk, role: str) -> str:
    return (faulty_desk.home / "logs" / f"{role}.log").read_text()
