"""The kit knows nothing of credit: leave requests run on it just as well.

Inline, and as Prefect runs on the desk's server, executed by the product's own worker on a pool
and a ledger of their own.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

import flows.runtime
from data.contracts.base import canonical_json, sha256_of
from data.contracts.events import Event, EventType
from data.contracts.runs import RunStatus
from flows.runtime.execution.gate_form import filled_in, judge
from flows.runtime.execution.gatekeeper import PreparedAnswers
from flows.runtime.execution.recorder import MemoryRecord
from flows.runtime.execution.surroundings import Inline, inline
from flows.runtime.ledger import checkpoint_index, decisions, journal, reviews, run_requests, runs
from flows.runtime.ledger.applications import Filed
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import deployments
from flows.runtime.prefect_api.deployments import POOL_TYPE, Deployment
from flows.runtime.prefect_api.launch import launch
from tests.desk import Desk, clean_environment
from tests.flows.runtime import vacation_workflow
from tests.flows.runtime.vacation_parts import MANAGER, granted
from tests.flows.runtime.vacation_workflow import (
    LEAVE,
    LeaveRequest,
    Letter,
    ManagerRuling,
    take_leave,
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


def test_the_example_of_the_guide_is_short_and_needs_the_kit_alone() -> None:
    text = Path(str(vacation_workflow.__file__)).read_text()
    imported = re.findall(r"^from ([\w.]+) import", text, re.MULTILINE)
    ours = {name for name in imported if name.split(".")[0] in {"api", "flows", "agents", "tools"}}

    assert len([line for line in text.splitlines() if line.strip()]) < 150
    assert _LENDING.findall(text.replace("as far from lending as can be", "")) == []
    assert {name for name in ours if not name.startswith("flows.runtime.")} == {
        "agents.base",
        "tools.base",
    }


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


@pytest.mark.parametrize(
    ("days", "answer", "grants"),
    [
        (9, {"decision": "grant"}, True),
        (9, {"decision": "refuse"}, False),
        (20, {"decision": "grant"}, False),
        (20, {"decision": "grant", "days": 8}, True),
    ],
)
async def test_inline_a_long_absence_is_up_to_the_manager(
    days: int, answer: dict[str, Any], grants: bool
) -> None:
    record = await inline_letter(days, PreparedAnswers(granted(**answer)))

    assert record.decision == Letter(granted=grants)


# -- on Prefect ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class LeaveDesk:
    """A pool, a deployment and a ledger of their own, on the Prefect server of the real desk."""

    ledger: Ledger
    deployment: Deployment
    environment: Mapping[str, str]
    prefect_api: str

    @contextmanager
    def worker(self) -> Iterator[None]:
        """The product's worker, told to work off leave requests until the block is left."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "api.cli", "worker"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=6) == 0

    async def file(self, application_id: str, days: int) -> Run:
        """File a leave request in the ledger, and tell Prefect nothing."""
        request = LeaveRequest(days=days)
        run, _ = await self.ledger.write(
            run_requests.submit,
            application_id,
            sha256_of(request),
            canonical_json(request),
            RunRequest(),
        )
        return run

    async def ask(self, application_id: str, days: int) -> str:
        """File a leave request and launch its run; the run's id."""
        run = await self.file(application_id, days)
        async with self.prefect() as client:
            deployment_id = await deployments.register(client, self.deployment, POOL_TYPE)
            await launch(client, self.ledger, deployment_id, run)
        return run.run_id

    async def answer(self, run_id: str, **fields: Any) -> None:
        """Answer the open request in the ledger; the worker's sweep wakes the run."""
        review = await self.ledger.read(reviews.get_open, run_id, "manager")
        plain = {"decision": "grant", "reviewer": "Mona", "reason": "well deserved"}
        judge(filled_in(ManagerRuling, plain | fields), review.request, MANAGER, ())
        await self.ledger.write(reviews.answer, review, plain | fields, MANAGER)

    async def until(self, run_id: str, status: RunStatus) -> Run:
        async with asyncio.timeout(45):
            while (run := await self.ledger.read(runs.find, run_id)).status is not status:
                assert not run.status.has_ended, run.error
                await asyncio.sleep(0.05)
        return run

    async def events(self, run_id: str) -> list[Event]:
        bodies = await self.ledger.read(journal.read, run_id)
        return [Event.model_validate_json(body) for body in bodies]

    @asynccontextmanager
    async def prefect(self) -> AsyncIterator[PrefectClient]:
        with temporary_settings(updates={PREFECT_API_URL: self.prefect_api}):
            async with get_client() as client:
                yield client


@pytest.fixture
def leaves(desk: Desk, ledger: Ledger, tmp_path: Path) -> LeaveDesk:
    pool = f"leave-{uuid4().hex[:8]}"
    declared = {"name": pool, "entrypoint": f"{take_leave.__module__}.take_leave"}
    declared_in = tmp_path / "prefect.yaml"
    declared_in.write_text(
        json.dumps({"deployments": [declared | {"work_pool": {"name": pool}}]}), encoding="utf-8"
    )
    api = f"{desk.prefect_url}/api"
    environment = clean_environment() | {
        "CREDIT_DESK_HOME": str(tmp_path / "desk"),
        "CREDIT_DESK_PREFECT_YAML": str(declared_in),
        "PREFECT_API_URL": api,
    }
    return LeaveDesk(ledger, deployments.declared(declared_in)[0], environment, api)


async def test_on_prefect_a_short_absence_is_granted_by_itself(leaves: LeaveDesk) -> None:
    with leaves.worker():
        run_id = await leaves.ask("leave-short", 3)
        run = await leaves.until(run_id, RunStatus.COMPLETED)
    async with leaves.prefect() as client:
        flow_run = await client.read_flow_run(UUID(run.flow_run_id))

    journal = await leaves.events(run_id)
    assert run.progress == 1.0
    assert run.workflow_version == LEAVE.version
    assert (await leaves.ledger.read(decisions.find, run_id))["content"] == {"granted": True}
    assert flow_run.name == "leave leave-short"
    assert flow_run.parameters == {"application_id": "leave-short", "run_id": run_id}
    assert [event.id for event in journal] == list(range(1, len(journal) + 1))
    assert journal[-1].type is EventType.RUN_COMPLETED


async def test_on_prefect_the_worker_launches_what_was_only_filed(leaves: LeaveDesk) -> None:
    run = await leaves.file("leave-filed", 3)
    with leaves.worker():
        await leaves.until(run.run_id, RunStatus.COMPLETED)

    assert (await leaves.ledger.read(decisions.find, run.run_id))["content"] == {"granted": True}


async def test_on_prefect_a_long_absence_sleeps_from_one_worker_to_the_next(
    leaves: LeaveDesk,
) -> None:
    with leaves.worker():
        run_id = await leaves.ask("leave-long", 9)
        await leaves.until(run_id, RunStatus.WAITING)
    await leaves.answer(run_id, decision="refuse")
    with leaves.worker():
        await leaves.until(run_id, RunStatus.COMPLETED)

    journal = await leaves.events(run_id)
    kinds = [event.type for event in journal]
    assert kinds.index(EventType.WAITING) < kinds.index(EventType.RUN_RESUMED)
    assert kinds.count(EventType.WAITING) == kinds.count(EventType.RUN_STARTED) == 1
    started = [event.phase for event in journal if event.type is EventType.STAGE_STARTED]
    assert started == ["check", "letter"]
    saved = await leaves.ledger.read(checkpoint_index.entries, run_id)
    assert [entry.label for entry in saved] == ["checked", "sent"]
    assert (await leaves.ledger.read(decisions.find, run_id))["content"] == {"granted": False}
