"""Random kills: every application is decided once, with the same decision as on a quiet desk.

The short form kills each kind of process once while six runs are under way on SQLite, and a worker
while three are under way on PostgreSQL. With `--soak`, kills go on until more than fifty runs have
ended on SQLite, PostgreSQL gets the short form, and one more round removes Prefect's database with
each kill.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import invariants
from tests.faults.desk_process import KINDS, FaultyDesk, faulty_desk_in
from tests.faults.load import APPLICANTS, Case, see_through
from tests.flows.runtime import postgres

SEED = 20261122


@dataclass(frozen=True)
class Size:
    """The size of one round of random kills."""

    runs: int
    at_once: int
    kinds: tuple[str, ...]
    """The kinds of processes that are killed, in random order."""
    pauses: tuple[float, float]
    """Seconds between two kills: the shortest and the longest."""
    repeats: bool
    """Whether to kill all kinds again while runs are under way."""


LOST = Size(12, 6, ("prefect",), (5.0, 15.0), repeats=True)
"""Each kill takes Prefect's database as well."""
SHORT = Size(6, 6, ("worker", "server", "api", "everything"), (0.4, 2.5), repeats=False)
SHORTEST = Size(3, 3, ("worker",), (0.4, 1.0), repeats=False)
FULL = Size(56, 6, (*KINDS, "worker", "worker", "server"), (1.0, 15.0), repeats=True)


@pytest.mark.timeout(3600)
async def test_every_application_is_decided_once_and_alike_whatever_is_killed(
    tmp_path: Path, soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async with faulty_desk_in(tmp_path) as faulty_desk:
        report = await one_round(faulty_desk, FULL if soak else SHORT)
    with capsys.disabled():
        print(f"\nrandom kills on SQLite, {report}")  # noqa: T201 - a result of the test


@pytest.mark.timeout(600)
async def test_on_postgresql_as_on_sqlite(
    tmp_path: Path, soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres.server() as url:
        async with faulty_desk_in(tmp_path, CREDIT_DESK_LEDGER_URL=url) as faulty_desk:
            report = await one_round(faulty_desk, SHORT if soak else SHORTEST)
    with capsys.disabled():
        print(f"\nrandom kills on PostgreSQL, {report}")  # noqa: T201 - a result of the test


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_also_when_each_kill_takes_prefect_s_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with faulty_desk_in(tmp_path) as faulty_desk:
        report = await one_round(faulty_desk, LOST)
    with capsys.disabled():
        print(f"\nPrefect's database removed, {report}")  # noqa: T201 - a result of the test


async def one_round(faulty_desk: FaultyDesk, size: Size) -> str:
    """See the personas through on a quiet desk and again under kills; the figures of the round."""
    chance = random.Random(SEED)
    personas = [APPLICANTS[n % len(APPLICANTS)] for n in range(size.runs)]
    quiet = await asyncio.gather(
        *(see_through(faulty_desk, name, f"{name}-quiet") for name in sorted(set(personas)))
    )
    undisturbed = invariants.contents(faulty_desk, quiet)
    began = time.monotonic()
    cases = await under_random_kills(faulty_desk, personas, size, chance)
    await faulty_desk.ready()
    await invariants.until_settled(faulty_desk)
    seconds = time.monotonic() - began

    decided = invariants.contents(faulty_desk, cases)
    for case in cases:
        assert decided[case.application_id] == undisturbed[f"{case.persona}-quiet"]
        invariants.require_whole_journal(faulty_desk, case)
    if "prefect" not in size.kinds:
        # Prefect holds the memos: those of before a loss are gone with its database.
        invariants.require_one_memo_each(faulty_desk, cases)
    found = invariants.figures(faulty_desk, cases)
    assert set(faulty_desk.kills) == set(size.kinds)
    kills = ", ".join(f"{n} × {kind}" for kind, n in sorted(faulty_desk.kills.items()))
    return (
        f"seed {SEED}: {found.runs} runs, killed {kills}; {found.executions} executions, "
        f"{found.stages_again} of {found.stages} stage executions were repetitions, {seconds:.0f} s"
    )


async def under_random_kills(
    faulty_desk: FaultyDesk, personas: list[str], size: Size, chance: random.Random
) -> list[Case]:
    """Submit the applications while processes are killed; return when all runs have ended."""
    places = asyncio.Semaphore(size.at_once)

    async def submitted(number: int, persona: str) -> Case:
        async with places:
            return await see_through(faulty_desk, persona, f"{persona}-{number}")

    cases = asyncio.gather(*(submitted(n, persona) for n, persona in enumerate(personas)))
    killer = asyncio.create_task(_kill(faulty_desk, size, chance, cases))
    try:
        done = await cases
    finally:
        await killer
    return done


async def _kill(
    faulty_desk: FaultyDesk, size: Size, chance: random.Random, cases: asyncio.Future[list[Case]]
) -> None:
    while not cases.done():
        for kind in chance.sample(size.kinds, len(size.kinds)):
            await asyncio.sleep(chance.uniform(*size.pauses))
            await faulty_desk.kill(kind)
        if not size.repeats:
            return
