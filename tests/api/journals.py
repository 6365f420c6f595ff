"""Journals for tests: runs registered in a real ledger, and events appended to them."""

from __future__ import annotations

import json
from typing import Any

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger import journal, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft
from tests.api.desks import RUN_ID

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def a_run(ledger: Ledger, run_id: str = RUN_ID) -> str:
    """A run without events."""
    await ledger.write(
        runs.register, run_id, f"application:{run_id}", application_id=f"of-{run_id[:8]}"
    )
    return run_id


async def tell(
    ledger: Ledger, run_id: str, *types: EventType, status: RunStatus | None = None
) -> None:
    """Append events of these types, in one transaction, with the run's status if it changes."""
    head = (await ledger.read(journal.heads, [run_id]))[run_id]
    drafts = [
        Draft(
            key=f"{head + number}",
            type=kind,
            phase="bureau",
            message=f"number {head + number}",
            progress=0.5,
            trace_id=TRACE,
            span_id=SPAN,
        )
        for number, kind in enumerate(types, 1)
    ]
    changes: dict[str, Any] = {"status": status} if status else {}
    await ledger.write(journal.append, run_id, drafts, **changes)


def ids_in(frames: bytes) -> list[int]:
    """The ids of all events in a piece of a stream."""
    return [
        json.loads(line.removeprefix("data: "))["id"]
        for line in frames.decode().split("\n")
        if line.startswith("data: ")
    ]
