"""Time as the desk keeps it: notifications, deadlines, holds and the housekeeping job itself."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.policy import ReasonCode
from data.contracts.runs import RunStatus
from flows.review_forms import GATES
from tests.desk import ROOT, Desk
from tests.flows.conftest import TIMEOUT_SECONDS, Inbox

PATIENCE_SECONDS = 40.0


async def until(there: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await there():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def until_told(webhook: Inbox, run_id: str, times: int) -> list[str]:
    """What the webhook was told of a run, once it was told so often."""

    async def told() -> bool:
        return len(webhook.about(run_id)) >= times

    await until(told)
    await asyncio.sleep(1)  # for one more that should not come
    return webhook.about(run_id)


async def command(desk: Desk, *arguments: str) -> str:
    """What the command line prints about a desk."""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "api.cli", *arguments, "--home", str(desk.home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


async def automations(desk: Desk) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=desk.prefect_url, timeout=30) as http:
        found = await http.post("/api/automations/filter", json={})
        listed: list[dict[str, Any]] = found.raise_for_status().json()
        return [one for one in listed if one["name"].startswith("Credit desk")]


async def test_there_is_one_automation_for_each_gate(hasty_desk: Desk) -> None:
    async def there() -> bool:
        return len(await automations(hasty_desk)) >= len(GATES)

    await until(there)
    matched = [one["trigger"]["match"]["desk.gate"] for one in await automations(hasty_desk)]
    assert sorted(matched) == sorted(GATES)


async def test_a_restarted_api_adds_no_second_automation(hasty_desk: Desk) -> None:
    before = {one["id"] for one in await automations(hasty_desk)}
    hasty_desk.role("api").kill()
    await asyncio.sleep(1)
    await hasty_desk.ready()
    await asyncio.sleep(2)

    assert {one["id"] for one in await automations(hasty_desk)} == before


async def test_a_desk_that_notifies_nobody_has_no_automation(desk: Desk) -> None:
    assert await automations(desk) == []


async def test_whoever_is_waited_for_is_told_once_although_the_flow_runs_twice(
    hasty_desk: Desk, webhook: Inbox
) -> None:
    run = await hasty_desk.start("bora-borderline")
    waiting = await run.until(EventType.WAITING)
    await until_told(webhook, run.run_id, 1)

    assert (await run.answer(decision="approve")).status_code == 202
    await run.events()

    (text,) = await until_told(webhook, run.run_id, 1)
    assert text.startswith("Rule on a referred case\n")
    assert "waits for underwriter, gate underwriter, until" in text
    assert waiting.meta["due_at"][:16].replace("T", " ") in text
    assert f"{hasty_desk.prefect_url}/v2/runs/flow-run/{run.run_id}" in text
    assert f"{hasty_desk.api_url}/runs/{run.run_id}/hitl" in text
    assert "menu at the top right" in text
    assert "Bora" not in text


async def test_silence_is_reminded_of_then_passed_on_then_declined_by_the_system(
    hasty_desk: Desk, webhook: Inbox
) -> None:
    run = await hasty_desk.start("bora-borderline")
    papers = await hasty_desk.start("max-missing")

    journal = await run.events(seconds=TIMEOUT_SECONDS + 2 * PATIENCE_SECONDS)

    steps = {
        EventType.WAITING,
        EventType.HITL_REMINDED,
        EventType.HITL_ESCALATED,
        EventType.HITL_RESOLVED,
    }
    told = [event for event in journal if event.type in steps]
    assert [event.type for event in told] == [
        EventType.WAITING,
        EventType.HITL_REMINDED,
        EventType.HITL_ESCALATED,
        EventType.HITL_RESOLVED,
    ]
    assert told[2].meta["role"] == "senior_underwriter"
    assert told[3].meta["decision"] == "expired"
    assert told[3].meta["declared"] == "decline"
    assert told[3].meta["channel"] == "system"
    assert told[3].meta["waited_seconds"] >= TIMEOUT_SECONDS

    decision = await run.decision()
    assert decision.outcome is Outcome.DECLINE
    assert decision.principal_reasons == (ReasonCode.APPLICATION_INCOMPLETE,)
    (ruling,) = decision.rulings
    assert (ruling.gate, ruling.role, ruling.reviewer) == ("underwriter", "system", "system")

    late = await run.answer(gate="underwriter", decision="approve")
    assert (late.status_code, late.json()["code"]) == (410, "review_expired")

    heads = [text.partition("\n")[0] for text in await until_told(webhook, run.run_id, 3)]
    assert heads == [
        "Rule on a referred case",
        "Reminder: Rule on a referred case",
        "Passed on from underwriter: Rule on a referred case",
    ]
    # Without its papers a case is incomplete, whatever is declared elsewhere.
    assert (await papers.decision()).outcome is Outcome.INCOMPLETE


async def test_housekeeping_is_scheduled_by_the_clock(desk: Desk) -> None:
    async with httpx.AsyncClient(base_url=desk.prefect_url, timeout=30) as http:
        found = await http.get("/api/deployments/name/housekeeping/housekeeping")
        deployment = found.raise_for_status().json()
        planned: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not planned:
                await asyncio.sleep(0.2)
                asked = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
                answer = await http.post("/api/flow_runs/filter", json=asked)
                planned = [
                    one
                    for one in answer.raise_for_status().json()
                    if one["deployment_id"] == deployment["id"]
                ]

    assert deployment["work_pool_name"] == "credit-desk-jobs"
    assert [one["schedule"]["cron"] for one in deployment["schedules"]] == ["*/15 * * * *"]


async def test_a_round_of_housekeeping_as_a_job_completes(desk: Desk) -> None:
    async with httpx.AsyncClient(base_url=desk.prefect_url, timeout=30) as http:
        found = await http.get("/api/deployments/name/housekeeping/housekeeping")
        deployment_id = found.raise_for_status().json()["id"]
        run = await http.post(f"/api/deployments/{deployment_id}/create_flow_run", json={})
        run_id = run.raise_for_status().json()["id"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                state = (await http.get(f"/api/flow_runs/{run_id}")).json()["state_name"]
                if state in {"Completed", "Failed", "Crashed"}:
                    break
                await asyncio.sleep(0.1)

    assert state == "Completed"


async def test_index_and_storage_of_a_working_desk_agree(desk: Desk) -> None:
    run = await desk.start("ada-prime")
    await run.until(RunStatus.COMPLETED)

    report = json.loads(await command(desk, "housekeeping", "--dry-run", "--json"))

    assert report["audit"]["missing"] == []
    assert report["storage"]["purged"] == []


async def test_a_run_is_held_and_released_from_the_command_line(desk: Desk) -> None:
    run = await desk.start("ada-prime")
    await run.until(RunStatus.COMPLETED)
    assert not (await run.summary()).legal_hold

    assert "is under a legal hold" in await command(desk, "hold", run.run_id)
    assert (await run.summary()).legal_hold
    assert "is not held" in await command(desk, "hold", run.run_id, "--release")
    assert not (await run.summary()).legal_hold


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_an_unknown_run_cannot_be_held(desk: Desk, method: str) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"

    answer = await desk.http.request(method, f"/runs/{unknown}/hold")

    assert answer.status_code == 404
