"""Load: applicants who submit twice and reviewers who answer twice, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from tests.faults.desk_process import FaultyDesk

APPLICANTS = (
    "ada-prime",
    "bora-borderline",
    "dee-debtor",
    "pat-potential",
    "connie-counter",
    "erin-expired",
    "minnie-minor",
)
"""Approved at once, declined early and late, with a counter-offer, and with three gates."""
ANSWERS = {
    "underwriter": {"decision": "approve", "reviewer": "underwriter-1"},
    "compliance": {"decision": "clear", "reviewer": "compliance-1"},
    "documents": {"decision": "withdraw", "reviewer": "intake-1"},
}
_OUT_OF_ORDER = {500, 502, 503}
_PATIENCE_SECONDS = 900.0


@dataclass
class Case:
    """One application on its way through the desk, as a client sees it."""

    persona: str
    run_id: str
    application_id: str
    answered: int = 0
    """How many answers the desk accepted as new."""


async def see_through(faulty_desk: FaultyDesk, persona: str, application_id: str) -> Case:
    """Submit a copy of a persona and answer its gates until the run has ended."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        request = {"application_id": persona, "options": {"as": application_id}}
        accepted = await asyncio.gather(*(_sent(faulty_desk, "/runs", request) for _ in range(2)))
        bodies = [answer.text for answer in accepted]
        assert {answer.status_code for answer in accepted} <= {200, 202}, bodies
        run_ids = {answer.json()["run_id"] for answer in accepted}
        assert len(run_ids) == 1, "one application has become two runs"
        case = Case(persona, run_ids.pop(), application_id)
        furthest = 0.0
        while True:
            summary = await _read(faulty_desk, f"/runs/{case.run_id}")
            assert summary["progress"] >= furthest, "progress has fallen"
            furthest = summary["progress"]
            if summary["status"] in {"completed", "failed", "cancelled"}:
                return case
            if summary["waiting_for"] is not None:
                await _answer(faulty_desk, case, summary["waiting_for"]["gate"])
            await asyncio.sleep(0.1)


async def _answer(faulty_desk: FaultyDesk, case: Case, gate: str) -> None:
    """Send two answers at once: the first counts, the second changes nothing."""
    form = {"gate": gate, "reason": "seen and considered", **ANSWERS[gate]}
    url = f"/runs/{case.run_id}/hitl"
    both = await asyncio.gather(*(_sent(faulty_desk, url, form) for _ in range(2)))
    bodies = [answer.text for answer in both]
    assert {answer.status_code for answer in both} <= {202, 409, 404}, bodies
    case.answered += sum(answer.status_code == 202 for answer in both)


async def _sent(faulty_desk: FaultyDesk, url: str, body: dict[str, Any]) -> httpx.Response:
    """Post until the API answers."""
    while True:
        try:
            answer = await faulty_desk.http.post(url, json=body)
        except httpx.TransportError:
            await asyncio.sleep(0.2)
            continue
        if answer.status_code not in _OUT_OF_ORDER:
            return answer
        await asyncio.sleep(0.2)


async def _read(faulty_desk: FaultyDesk, url: str) -> Any:
    while True:
        try:
            answer = await faulty_desk.http.get(url)
        except httpx.TransportError:
            await asyncio.sleep(0.2)
            continue
        if answer.status_code not in _OUT_OF_ORDER:
            return answer.raise_for_status().json()
        await asyncio.sleep(0.2)
