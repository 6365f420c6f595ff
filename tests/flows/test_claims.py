"""Claims on a real desk: one reviewer at a time works on a request."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import httpx
import pytest

from tests.command_line import credit_desk
from tests.desk import Desk, StartedRun
from tests.flows.waiting_runs import at_gate


async def claim(run: StartedRun, reviewer: str) -> httpx.Response:
    return await run.desk.http.post(f"{run.url}/claim", json={"reviewer": reviewer})


async def release(run: StartedRun, reviewer: str) -> httpx.Response:
    return await run.desk.http.delete(f"{run.url}/claim", params={"reviewer": reviewer})


@pytest.fixture(scope="module")
async def waiting(desk: Desk) -> AsyncIterator[StartedRun]:
    """Bora's run, which no test here answers."""
    run = await at_gate(desk, "bora-borderline")
    yield run
    await desk.http.post(f"{run.url}/cancel")


async def test_a_reviewer_who_claims_a_case_has_it_alone_until_it_is_released(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")

    mine, again, theirs = await claim(run, "una"), await claim(run, "una"), await claim(run, "tom")
    meddling = await run.answer(decision="approve", reviewer="tom")
    listed = {item["run_id"]: item for item in (await desk.http.get("/inbox")).json()["items"]}

    assert (mine.status_code, again.status_code) == (200, 200)
    assert again.json()["until"] > mine.json()["until"]
    for refused in (theirs, meddling, await release(run, "tom")):
        assert (refused.status_code, refused.json()["code"]) == (409, "claimed")
        assert "una works on this request until" in refused.json()["detail"]
    assert listed[run.run_id]["claim"] == again.json()
    assert (await release(run, "una")).status_code == 204
    assert (await claim(run, "tom")).status_code == 200
    assert (await run.answer(decision="approve", reviewer="tom")).status_code == 202
    assert (await claim(run, "una")).status_code == 404


async def test_a_claim_ends_by_itself(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    await claim(run, "una")
    with closing(sqlite3.connect(desk.home / "ledger.db", timeout=30)) as ledger, ledger:
        ledger.execute(
            "update reviews set claimed_until = '2026-01-01T00:00:00.000000Z' where run_id = ?",
            (run.run_id,),
        )

    listed = {item["run_id"]: item for item in (await desk.http.get("/inbox")).json()["items"]}

    assert listed[run.run_id]["claim"] is None
    assert (await run.answer(decision="approve", reviewer="tom")).status_code == 202


async def test_claims_are_made_and_given_back_from_the_command_line(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")

    kept = await credit_desk(desk, "claim", run.run_id, "--reviewer", "una")
    refused = await credit_desk(desk, "claim", run.run_id, "--reviewer", "tom")
    _, inbox, _ = await credit_desk(desk, "inbox")
    back = await credit_desk(desk, "release", run.run_id, "--reviewer", "una")
    await run.answer(decision="approve", reviewer="tom")

    assert (kept[0], back[0]) == (0, 0)
    assert kept[1].startswith("Kept for una until")
    assert refused[0] == 1
    assert "una works on this request until" in refused[2]
    row = next(line for line in inbox.splitlines() if line.startswith(run.run_id)).split("\t")
    assert row[3:] == [
        "underwriter",
        "underwriter",
        run.application_id,
        "$12,000",
        "E",
        "pd elevated",
        "una",
    ]


@pytest.mark.parametrize("body", [{}, {"reviewer": "  "}, {"reviewer": "x" * 101}])
async def test_a_claim_names_its_reviewer(waiting: StartedRun, body: dict[str, str]) -> None:
    refused = await waiting.desk.http.post(f"{waiting.url}/claim", json=body)

    assert refused.status_code == 422
