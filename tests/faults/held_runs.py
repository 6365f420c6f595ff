"""One run on a faulty desk: start it, hold it in the middle of a stage, let it go, inspect it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.faults.desk_process import FaultyDesk
from tests.faults.load import Case

PATIENCE_SECONDS = 120.0


async def start(faulty_desk: FaultyDesk, persona: str = "ada-prime", name: str = "") -> Case:
    """Submit a copy of a persona."""
    application_id = name or f"{persona}-{uuid4().hex[:8]}"
    request = {"application_id": persona, "options": {"as": application_id}}
    answer = await faulty_desk.http.post("/runs", json=request)
    assert answer.status_code == 202, answer.text
    return Case(persona, answer.json()["run_id"], application_id)


async def start_held(faulty_desk: FaultyDesk) -> Case:
    """A run that has saved its intake and is held in the middle of verification."""
    name = f"ada-prime-{uuid4().hex[:8]}"
    (faulty_desk.faults / f"hold-{name}").touch()
    case = await start(faulty_desk, name=name)
    await until(lambda: any(is_held(event) for event in faulty_desk.journal(case.run_id)))
    return case


def let_go(faulty_desk: FaultyDesk, case: Case) -> None:
    (faulty_desk.faults / f"hold-{case.application_id}").unlink()


def is_held(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "agent.started" and event["meta"]["agent"] == "fraud")


async def until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - other processes make it hold
            await asyncio.sleep(0.1)


async def until_ended(faulty_desk: FaultyDesk, case: Case, status: str = "completed") -> None:
    """Wait for the end of a run, and require this status."""
    await until(lambda: status_of(faulty_desk, case) in {"completed", "failed", "cancelled"})
    assert status_of(faulty_desk, case) == status


def status_of(faulty_desk: FaultyDesk, case: Case) -> str:
    rows = faulty_desk.ledger("select status from runs where run_id = ?", case.run_id)
    return str(rows[0]["status"])


def codes(faulty_desk: FaultyDesk, case: Case, type: str = "error") -> list[str]:
    """The codes of a run's events of one type, in their order."""
    return [
        event["meta"]["code"] for event in faulty_desk.journal(case.run_id) if event["type"] == type
    ]


def content(faulty_desk: FaultyDesk, case: Case) -> tuple[str, str]:
    """Digest and text of the decision."""
    (row,) = faulty_desk.ledger(
        "select content_sha256, body from decisions where application_id = ?", case.application_id
    )
    return row["content_sha256"], row["body"]
