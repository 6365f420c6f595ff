"""Applicants who hand in their papers twice, and reviewers who answer twice, whatever breaks."""

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
"""Straight through, declined early and late, with a counter-offer, and with three gates."""
ANSWERS = {
    "underwriter": {"decision": "approve", "reviewer": "underwriter-1"},
    "compliance": {"decision": "clear", "reviewer": "compliance-1"},
    "documents": {"decision": "withdraw", "reviewer": "intake-1"},
}
_OUT_OF_ORDER = {500, 502, 503}
_PATIENCE_SECONDS = 900.0


@dataclass
class Case:
    """One applicant's way through the desk, as seen from outside."""

    persona: str
    run_id: str
    application_id: str
    answered: int = 0
    """Answers that were accepted as new."""


async def see_through(faulty_desk: FaultyDesk, persona: str, application_id: str) -> Case:
    """Hand in a copy of a persona and answer its gates until the run has ended."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        order = {"application_id": persona, "options": {"as": application_id}}
        accepted = await asyncio.gather(*(_sent(faulty_desk, "/runs", order) for _ in range(2)))
        assert {one.status_code for one in accepted} <= {200, 202}, [one.text for one in accepted]
        run_ids = {one.json()["run_id"] for one in accepted}
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
    """Two answers at once: the first counts, the other one changes nothing."""
    form = {"gate": gate, "reason": "seen and considered", **ANSWERS[gate]}
    url = f"/runs/{case.run_id}/hitl"
    both = await asyncio.gather(*(_sent(faulty_desk, url, form) for _ in range(2)))
    assert {one.status_code for one in both} <= {202, 409, 404}, [one.text for one in both]
    case.answered += sum(one.status_code == 202 for one in both)


async def _sent(faulty_desk: FaultyDesk, url: str, body: dict[str, Any]) -> httpx.Response:
    """Post until somebody is there to answer."""
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
