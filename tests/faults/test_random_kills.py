"""Whatever is killed, whenever: every application is decided once, and as if nothing had been.

The short form kills each kind of process once while a handful of runs is under way; with
`--soak` more than fifty runs live through it for as long as they take.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import invariants
from tests.faults.desk_process import KINDS, BesiegedDesk, besieged_in
from tests.faults.load import APPLICANTS, Case, see_through

SEED = 20261122


@dataclass(frozen=True)
class Size:
    """How long a siege lasts."""

    runs: int
    at_once: int
    kinds: tuple[str, ...]
    """What is killed, in a shuffled order; again from the beginning while runs are under way."""
    pauses: tuple[float, float]
    """Seconds between two kills: the shortest and the longest."""
    repeats: bool


SHORT = Size(6, 6, ("worker", "server", "api", "everything"), (0.4, 2.5), repeats=False)
FULL = Size(56, 6, (*KINDS, "worker", "worker", "server"), (1.0, 15.0), repeats=True)


@pytest.mark.timeout(3600)
async def test_every_application_is_decided_once_and_alike_whatever_is_killed(
    tmp_path: Path, soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    size, chance = FULL if soak else SHORT, random.Random(SEED)
    personas = [APPLICANTS[n % len(APPLICANTS)] for n in range(size.runs)]
    async with besieged_in(tmp_path) as besieged:
        quiet = await asyncio.gather(
            *(see_through(besieged, name, f"{name}-quiet") for name in sorted(set(personas)))
        )
        undisturbed = invariants.contents(besieged, quiet)
        began = time.monotonic()
        cases = await under_siege(besieged, personas, size, chance)
        await invariants.until_settled(besieged)
        seconds = time.monotonic() - began

        decided = invariants.contents(besieged, cases)
        for case in cases:
            assert decided[case.application_id] == undisturbed[f"{case.persona}-quiet"]
            invariants.require_whole_journal(besieged, case)
        invariants.require_one_memo_each(besieged, cases)
        found = invariants.figures(besieged, cases)
    assert set(besieged.kills) == set(size.kinds)
    with capsys.disabled():
        kills = ", ".join(f"{n} × {kind}" for kind, n in sorted(besieged.kills.items()))
        print(  # noqa: T201 - the figures are what a siege is for
            f"\nsiege, seed {SEED}: {found.runs} runs, killed {kills}; {found.executions} "
            f"executions, {found.stages_again} of {found.stages} stage executions were "
            f"repetitions, {seconds:.0f} s"
        )


async def under_siege(
    besieged: BesiegedDesk, personas: list[str], size: Size, chance: random.Random
) -> list[Case]:
    """Send the applicants in while processes are killed; return when all runs have ended."""
    places = asyncio.Semaphore(size.at_once)

    async def one(number: int, persona: str) -> Case:
        async with places:
            return await see_through(besieged, persona, f"{persona}-{number}")

    cases = asyncio.gather(*(one(n, persona) for n, persona in enumerate(personas)))
    killer = asyncio.create_task(_kill(besieged, size, chance, cases))
    try:
        done = await cases
    finally:
        await killer
    return done


async def _kill(
    besieged: BesiegedDesk, size: Size, chance: random.Random, cases: asyncio.Future[list[Case]]
) -> None:
    while not cases.done():
        for kind in chance.sample(size.kinds, len(size.kinds)):
            await asyncio.sleep(chance.uniform(*size.pauses))
            await besieged.kill(kind)
        if not size.repeats:
            return
