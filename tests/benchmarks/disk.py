"""The size of a run in the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator

from tests.benchmarks.rows import Row, at_most
from tests.desk import Desk


async def disk(desk: Desk) -> AsyncIterator[Row]:
    """The journal of a run, and its checkpoints with the answers of agents."""
    run = await desk.start("ada-prime")
    await run.events()
    with sqlite3.connect(desk.home / "ledger.db") as ledger:
        journal = _sum(ledger, "select sum(length(body)) from events where run_id = ?", run.run_id)
        stored = _sum(
            ledger, "select sum(length(body)) from blobs where path like ?", f"%{run.run_id}%"
        )
    yield Row(
        name="disk.run",
        what="journal and checkpoints of a run on disk",
        value=(journal + stored) / 1024,
        unit="KB",
        goal=at_most(100),
        parts={"journal": journal / 1024, "checkpoints": stored / 1024},
        part_unit="KB",
    )


def _sum(ledger: sqlite3.Connection, query: str, value: str) -> int:
    return int(ledger.execute(query, (value,)).fetchone()[0] or 0)
