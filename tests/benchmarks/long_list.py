"""How long a processor is busy screening many people against a long list."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import date
from random import Random

from data.contracts.watchlist import Watchlist, WatchlistEntry
from tests.benchmarks.rows import Row, at_most
from tools.watchlist_index import ScreeningIndex

ENTRIES, NAMES = 20_000, 5_000
_SYLLABLES = "ka ri mo an del sha ber to lin vas ko ned gu ze mir ham sul tan pet jo es fer".split()  # noqa: SIM905


async def long_list() -> AsyncIterator[Row]:
    """The index of a list is built, and then asked for one name after another."""
    random = Random(13)
    entries = tuple(
        WatchlistEntry(entry_id=f"T-{number}", names=(_invented(random),), programme="TEST")
        for number in range(ENTRIES)
    )
    names = [_invented(random) for _ in range(NAMES)]
    began = time.process_time()
    index = ScreeningIndex(Watchlist(name="test", list_date=date(2026, 11, 1), entries=entries))
    built = time.process_time()
    for name in names:
        index.hits(name)
    asked = time.process_time() - built
    yield Row(
        name="screening.long_list",
        what=f"{NAMES:,} names against a list of {ENTRIES:,}, processor time",
        value=built - began + asked,
        unit="s",
        goal=at_most(10),
        parts={"index": built - began, "names": asked},
        part_unit="s",
    )


def _invented(random: Random) -> str:
    words = ("".join(random.choices(_SYLLABLES, k=random.randint(2, 4))) for _ in range(3))
    return " ".join(words)
