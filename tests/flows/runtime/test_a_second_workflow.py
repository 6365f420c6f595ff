"""The kit knows nothing of credit: leave requests run on it just as well.

Inline, and as Prefect runs on the desk's server, executed by a worker of this process on a
pool and a ledger of their own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

import flows.runtime
from data.contracts.base import canonical_json, sha256_of
from data.contracts.events import Event, EventType
from data.contracts.review import ReviewStatus
from data.contracts.runs import RunStatus
from flows.runtime import checkpoints, decisions, deployments, events, reviews, runs, worker
from flows.runtime.deployments import Deployment
from flows.runtime.desk import this_desk
from flows.runtime.gate import PreparedAnswers
from flows.runtime.launch import Order, launch
from flows.runtime.ledger import Ledger
from flows.runtime.open_run import Inline, inline
from flows.runtime.record import MemoryRecord
from flows.runtime.runs import Filed, Run
from flows.runtime.worker import POOL_TYPE, Worker
from tests.desk import Desk
from tests.flows.runtime.leave import (
    LEAVE,
    MANAGER,
    LeaveRequest,
    Letter,
    granted,
    take_leave,
)

LEAVES = Deployment(
    name="leave", entrypoint="tests.flows.runtime.leave.take_leave", pool="leave-requests"
)
_LENDING = re.compile(
    r"\b(kyc|bureau|applicant|loans?|lend\w*|borrow\w*|underwrit\w*|scorecard|fico|income|fraud"
    r"|sanctions?|debt\w*|dti|apr|interest rate|mortgage|compliance|creditworth\w*)\b",
    re.IGNORECASE,
)
"""Without `credit` itself: progress is credited, and the product is called Credit Desk."""


@pytest.mark.parametrize(
    "path", sorted(Path(flows.runtime.__file__).parent.rglob("*.py")), ids=lambda path: path.name
)
def test_no_word_of_lending_stands_in_the_kit(path: Path) -> None:
    assert _LENDING.findall(path.read_text()) == []


async def inline_letter(days: int, answers: PreparedAnswers) -> MemoryRecord:
    """A leave request without Prefect."""
    filed = Filed(canonical_json(LeaveRequest(days=days)))
    record = MemoryRecord()
    token = inline.set(Inline(filed, answers=answers, record=record))
    try:
        await take_leave.fn("leave-1")
    finally:
        inline.reset(token)
    return record


async def test_inline_a_short_absence_is_granted_by_itself() -> None:
    record = await inline_letter(3, PreparedAnswers())

    assert record.decision == Letter(granted=True)
    assert record.drafts[-1].type is EventType.RUN_COMPLETED
    assert record.drafts[-1].progress == 1.0


@pytest.mark.parametrize(("decision", "grants"), [("grant", True), ("refuse", False)])
async def test_inline_a_long_absence_is_up_to_the_manager(decision: str, grants: bool) -> None:
    record = await inline_letter(9, PreparedAnswers(granted(decision=decision)))

    assert record.decision == Letter(granted=grants)


# -- on Prefect ----------------------------------------------------------------------------------


@dataclass
class LeaveDesk:
    """A worker of this process, its ledger, and the way to both."""

    ledger: Ledger
    client: PrefectClient

    async def run(self, run_id: str) -> Run:
        return await self.ledger.read(runs.find, run_id)

    async def until(self, run_id: str, status: RunStatus) -> Run:
        async with asyncio.timeout(30):
            while (run := await self.run(run_id)).status is not status:
                assert not run.status.has_ended, run.error
                await asyncio.sleep(0.05)
        return run

    async def events(self, run_id: str) -> list[Event]:
        bodies = await self.ledger.read(events.read, run_id)
        return [Event.model_validate_json(body) for body in bodies]


@asynccontextmanager
async def leave_desk(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LeaveDesk]:
    """Work off leave requests on the real desk's Prefect server until the block is left."""
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.3)
    this_desk.cache_clear()
    stop, ready = asyncio.Event(), asyncio.Event()
    with temporary_settings(updates={PREFECT_API_URL: f"{desk.prefect_url}/api"}):
        ours = Worker(this_desk(), [LEAVES])
        working = asyncio.create_task(ours.run(stop, ready.set))
        try:
            await asyncio.wait_for(ready.wait(), 30)
            async with get_client() as client:
                yield LeaveDesk(ledger, client)
        finally:
            stop.set()
            await asyncio.wait_for(working, 10)
            await asyncio.to_thread(EventsWorker.drain_all)
            this_desk.cache_clear()


async def asked(leaves: LeaveDesk, application_id: str, days: int) -> str:
    """File a leave request and launch its run."""
    request = LeaveRequest(days=days)
    order = Order(name=f"leave {application_id}")
    await leaves.ledger.write(
        runs.accept,
        application_id,
        sha256_of(request),
        canonical_json(request),
        order.model_dump(mode="json"),
    )
    deployment_id = await deployments.register(leaves.client, LEAVES, POOL_TYPE)
    run = await launch(leaves.client, leaves.ledger, deployment_id, application_id, order)
    return run.run_id


async def test_on_prefect_a_short_absence_is_granted_by_itself(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leave_desk(desk, ledger, monkeypatch) as leaves:
        run_id = await asked(leaves, "leave-short", 3)
        run = await leaves.until(run_id, RunStatus.COMPLETED)
        flow_run = await leaves.client.read_flow_run(UUID(run_id))
        journal = await leaves.events(run_id)

    assert run.progress == 1.0
    assert run.workflow_version == LEAVE.version
    assert (await ledger.read(decisions.find, run_id))["content"] == {"granted": True}
    assert flow_run.name == "leave leave-short"
    assert flow_run.parameters == {"application_id": "leave-short", "options": run.options}
    assert [event.id for event in journal] == list(range(1, len(journal) + 1))
    assert journal[-1].type is EventType.RUN_COMPLETED


async def test_on_prefect_a_long_absence_sleeps_until_the_manager_has_spoken(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leave_desk(desk, ledger, monkeypatch) as leaves:
        run_id = await asked(leaves, "leave-long", 9)
        await leaves.until(run_id, RunStatus.WAITING)
        review = await ledger.read(reviews.latest, run_id, "manager")
        assert review is not None
        assert review.status is ReviewStatus.OPEN
        fields = {"decision": "grant", "days": 9, "reviewer": "Mona", "reason": "well deserved"}
        await ledger.write(reviews.answer, review, fields, MANAGER)
        await leaves.until(run_id, RunStatus.COMPLETED)
        journal = await leaves.events(run_id)

    kinds = [event.type for event in journal]
    assert kinds.index(EventType.WAITING) < kinds.index(EventType.RUN_RESUMED)
    assert kinds.count(EventType.RUN_STARTED) == 1
    started = [event.phase for event in journal if event.type is EventType.STAGE_STARTED]
    assert started == ["check", "letter"]
    saved = await ledger.read(checkpoints.entries, run_id)
    assert [one.label for one in saved] == ["checked", "sent"]


async def test_a_worker_that_ends_in_the_middle_leaves_the_rest_to_the_next(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leave_desk(desk, ledger, monkeypatch) as leaves:
        run_id = await asked(leaves, "leave-handed-over", 9)
        await leaves.until(run_id, RunStatus.WAITING)
        review = await ledger.read(reviews.latest, run_id, "manager")
    assert review is not None
    fields = {"decision": "refuse", "reviewer": "Mona", "reason": "too many are away"}
    await ledger.write(reviews.answer, review, fields, MANAGER)

    async with leave_desk(desk, ledger, monkeypatch) as leaves:
        await leaves.until(run_id, RunStatus.COMPLETED)

    assert (await ledger.read(decisions.find, run_id))["content"] == {"granted": False}
