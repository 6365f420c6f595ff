"""What time does to a run: notifications, deadlines, holds and the housekeeping job."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.policy import ReasonCode
from data.contracts.runs import RunStatus
from tests.desk import ROOT, Desk, StartedRun
from tests.flows.conftest import TIMEOUT_SECONDS, Inbox
from tests.otlp import Receiver

PATIENCE_SECONDS = 40.0


async def until(there: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await there():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def until_told(webhook: Inbox, run_id: str, times: int) -> list[dict[str, Any]]:
    """The notifications about a run, once the webhook has so many."""

    async def told() -> bool:
        return len(webhook.about(run_id)) >= times

    await until(told)
    await asyncio.sleep(1)  # for a further one, which should not come
    return webhook.about(run_id)


async def command(desk: Desk, *arguments: str) -> str:
    """The output of a command about a desk."""
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


@pytest.fixture(scope="module")
async def unanswered(hasty_desk: Desk) -> tuple[StartedRun, StartedRun]:
    """A case for an underwriter and one without its documents, which no person answers."""
    return await hasty_desk.start("bora-borderline"), await hasty_desk.start("max-missing")


@pytest.fixture(scope="module")
async def forged(hasty_desk: Desk) -> tuple[str, float]:
    """The run in an event that a client has sent to Prefect, and when a sweep has looked at it."""
    run_id = str(uuid4())
    event = {
        "occurred": datetime.now(UTC).isoformat(),
        "event": "desk.waiting",
        "resource": {"prefect.resource.id": f"desk.run.{run_id}", "desk.gate": "underwriter"},
        "payload": {"run_id": run_id},
        "id": str(uuid4()),
    }
    async with httpx.AsyncClient(base_url=hasty_desk.prefect_url, timeout=30) as http:
        (await http.post("/api/events", json=[event])).raise_for_status()
    return run_id, time.monotonic() + 7  # a sweep comes every five seconds


async def test_a_notification_is_sent_although_api_and_worker_are_killed(
    hasty_desk: Desk, webhook: Inbox
) -> None:
    run = await hasty_desk.start("max-missing")
    await run.until(EventType.WAITING)
    await hasty_desk.kill("api", "worker")

    told = await until_told(webhook, run.run_id, 1)

    # The restart takes seconds: on this desk the reminder is due by then.
    assert [notice["gate"] for notice in told if notice["type"] == "waiting"] == ["documents"]
    await hasty_desk.http.post(f"{run.url}/cancel")


# Both take as long as several sweeps, and the last two tests with this desk look at them.
@pytest.mark.usefixtures("unanswered", "forged")
async def test_a_reviewer_is_notified_once_although_the_flow_runs_twice(
    hasty_desk: Desk, webhook: Inbox
) -> None:
    run = await hasty_desk.start("bora-borderline")
    waiting = await run.until(EventType.WAITING)
    await until_told(webhook, run.run_id, 1)

    assert (await run.answer(decision="approve")).status_code == 202
    await run.events()

    (notification,) = await until_told(webhook, run.run_id, 1)
    text = notification["text"]
    assert text.startswith("Rule on a referred case\n")
    assert "waits for underwriter, gate underwriter, until" in text
    assert waiting.meta["due_at"][:16].replace("T", " ") in text
    assert f"{hasty_desk.prefect_url}/v2/runs/flow-run/{await run.flow_run_id()}" in text
    assert f"{hasty_desk.api_url}/runs/{run.run_id}/hitl" in text
    assert "menu at the top right" in text
    assert "Bora" not in json.dumps(notification)
    assert (notification["type"], notification["event_id"]) == ("waiting", waiting.id)
    assert notification["gate"] == "underwriter"


async def test_without_an_answer_the_desk_reminds_then_escalates_then_declines(
    unanswered: tuple[StartedRun, StartedRun], webhook: Inbox, otlp: Receiver
) -> None:
    run, incomplete = unanswered

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
    assert decision.principal_reasons[0] is ReasonCode.RECENT_INQUIRIES
    assert ReasonCode.APPLICATION_INCOMPLETE not in decision.principal_reasons
    (ruling,) = decision.rulings
    assert (ruling.gate, ruling.role, ruling.reviewer) == ("underwriter", "system", "system")

    spans = await asyncio.to_thread(otlp.whole_tree, journal[0].trace_id, 2)
    (wait,) = [span for span in spans if span.name == "hitl_wait underwriter"]
    assert wait.ended - wait.began >= TIMEOUT_SECONDS * 1e9

    late = await run.answer(gate="underwriter", decision="approve")
    assert (late.status_code, late.json()["code"]) == (410, "review_expired")

    told_webhook = await until_told(webhook, run.run_id, 3)
    # A sweep sends all that is due at once. The number of the event says what came first.
    in_order = sorted(told_webhook, key=lambda notification: notification["event_id"])
    heads = [notification["text"].partition("\n")[0] for notification in in_order]
    assert heads == [
        "Rule on a referred case",
        "Reminder: Rule on a referred case",
        "Escalated from underwriter: Rule on a referred case",
    ]
    # A case without its documents is incomplete, also where other gates declare a decline.
    assert (await incomplete.decision()).outcome is Outcome.INCOMPLETE


async def test_an_event_that_a_client_sends_to_prefect_notifies_no_one(
    hasty_desk: Desk, webhook: Inbox, forged: tuple[str, float]
) -> None:
    run_id, swept = forged
    async with httpx.AsyncClient(base_url=hasty_desk.prefect_url, timeout=30) as http:
        found = await http.post("/api/automations/filter", json={})
    await asyncio.sleep(max(swept - time.monotonic(), 0))

    assert run_id not in json.dumps(webhook.received)
    assert found.raise_for_status().json() == []


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
                    flow_run
                    for flow_run in answer.raise_for_status().json()
                    if flow_run["deployment_id"] == deployment["id"]
                ]

    assert deployment["work_pool_name"] == "credit-desk-jobs"
    assert [schedule["schedule"]["cron"] for schedule in deployment["schedules"]] == [
        "*/15 * * * *"
    ]


async def test_a_round_of_housekeeping_as_a_job_completes(desk: Desk) -> None:
    async with httpx.AsyncClient(base_url=desk.prefect_url, timeout=30) as http:
        found = await http.get("/api/deployments/name/housekeeping/housekeeping")
        deployment_id = found.raise_for_status().json()["id"]
        run = await http.post(f"/api/deployments/{deployment_id}/create_flow_run", json={})
        flow_run_id = run.raise_for_status().json()["id"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                state = (await http.get(f"/api/flow_runs/{flow_run_id}")).json()["state_name"]
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
