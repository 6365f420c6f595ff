"""One run on a besieged desk: started, held in the middle of a stage, let go, looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.faults.desk_process import BesiegedDesk
from tests.faults.load import Case

PATIENCE_SECONDS = 120.0


async def start(besieged: BesiegedDesk, persona: str = "ada-prime", name: str = "") -> Case:
    """Hand in a copy of a persona."""
    application_id = name or f"{persona}-{uuid4().hex[:8]}"
    order = {"application_id": persona, "options": {"as": application_id}}
    answer = await besieged.http.post("/runs", json=order)
    assert answer.status_code == 202, answer.text
    return Case(persona, answer.json()["run_id"], application_id)


async def start_held(besieged: BesiegedDesk) -> Case:
    """A run that has saved its intake and waits, in the middle of verification, to be let go."""
    name = f"ada-prime-{uuid4().hex[:8]}"
    (besieged.faults / f"hold-{name}").touch()
    case = await start(besieged, name=name)
    await until(lambda: any(is_held(event) for event in besieged.journal(case.run_id)))
    return case


def let_go(besieged: BesiegedDesk, case: Case) -> None:
    (besieged.faults / f"hold-{case.application_id}").unlink()


def is_held(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "agent.started" and event["meta"]["agent"] == "fraud")


async def until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - it is so in other processes
            await asyncio.sleep(0.1)


async def until_ended(besieged: BesiegedDesk, case: Case, status: str = "completed") -> None:
    """Wait for the end of a run, which has to be this one."""
    await until(lambda: status_of(besieged, case) in {"completed", "failed", "cancelled"})
    assert status_of(besieged, case) == status


def status_of(besieged: BesiegedDesk, case: Case) -> str:
    rows = besieged.ledger("select status from runs where run_id = ?", case.run_id)
    return str(rows[0]["status"])


def codes(besieged: BesiegedDesk, case: Case, type: str = "error") -> list[str]:
    """The codes of a run's events of one type, in their order."""
    return [e["meta"]["code"] for e in besieged.journal(case.run_id) if e["type"] == type]


def content(besieged: BesiegedDesk, case: Case) -> tuple[str, str]:
    """Digest and text of what was decided."""
    (row,) = besieged.ledger(
        "select content_sha256, body from decisions where application_id = ?", case.application_id
    )
    return row["content_sha256"], row["body"]
