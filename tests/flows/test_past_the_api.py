"""Past the API: runs that people start or delete in Prefect, and forms that they fill in there."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.settings import Settings
from tests.desk import PATIENCE_SECONDS, Desk, StartedRun
from tests.documents import as_posted
from tools.case_files import load_persona

SECRET = "she wept on the phone"


@pytest.fixture
async def prefect(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """Prefect's own API."""
    async with httpx.AsyncClient(base_url=f"{desk.prefect_url}/api", timeout=30) as client:
        yield client


@pytest.fixture
async def waiting(desk: Desk, prefect: httpx.AsyncClient) -> StartedRun:
    """Bora Borderline, on whom an underwriter has to rule; asleep in Prefect too."""
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await state_of(prefect, await run.flow_run_id()) != "PAUSED":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return run


async def state_of(prefect: httpx.AsyncClient, flow_run_id: str) -> str:
    return str((await prefect.get(f"/flow_runs/{flow_run_id}")).json()["state_type"])


async def started(prefect: httpx.AsyncClient, **parameters: Any) -> str:
    """A custom run of the deployment, as the Prefect UI starts one; the id of its flow run."""
    deployment = await prefect.get("/deployments/name/credit-underwriting/underwrite")
    made = await prefect.post(
        f"/deployments/{deployment.json()['id']}/create_flow_run",
        json={"parameters": parameters, "enforce_parameter_schema": False},
    )
    return str(made.raise_for_status().json()["id"])


async def refused(desk: Desk, prefect: httpx.AsyncClient, **parameters: Any) -> str:
    """Why a custom run was not executed. The desk has no run of it."""
    flow_run_id = await started(prefect, **parameters)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await state_of(prefect, flow_run_id) in {"SCHEDULED", "PENDING"}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert await state_of(prefect, flow_run_id) in {"FAILED", "CANCELLED"}
    assert (await desk.http.get(f"/runs/{flow_run_id}")).status_code == 404
    return str((await prefect.get(f"/flow_runs/{flow_run_id}")).json()["state"]["message"])


NOT_ASKED_FOR = "no run of the desk asked for this flow run"


async def test_a_fork_that_the_desk_was_not_asked_for_is_refused(
    desk: Desk, prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    lineage = {
        "parent_run_id": waiting.run_id,
        "forked_at": "verification/1",
        "overrides": {"amount_requested": "100.00"},
        "may_decide": True,
    }
    forged: list[object] = [lineage, json.dumps(lineage), "f" * 64]
    for fork in forged:
        why = await refused(desk, prefect, application_id=waiting.application_id, fork=fork)
        assert why == NOT_ASKED_FOR

    assert (await waiting.summary()).status is RunStatus.WAITING


async def test_one_flow_run_carries_out_a_fork(
    desk: Desk, prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    other = await desk.start("bora-borderline")
    asked = await desk.http.post(f"{waiting.url}/resume", json={"checkpoint": "verification"})
    fork = StartedRun(desk, asked.json()["run_id"], waiting.application_id)
    await fork.events()
    parameters = (await prefect.get(f"/flow_runs/{await fork.flow_run_id()}")).json()["parameters"]

    again = await refused(desk, prefect, **parameters)
    elsewhere = await refused(
        desk, prefect, **parameters | {"application_id": other.application_id}
    )

    assert again == elsewhere == f"run {fork.run_id} is carried out by another flow run"


async def test_an_application_is_underwritten_by_one_run_and_only_if_it_was_submitted(
    desk: Desk, prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    backdated = {"as_of_date": "2020-01-01"}
    submitted, unknown = waiting.application_id, f"nobody-{uuid4().hex}"

    without_run = await refused(desk, prefect, application_id=submitted, options=backdated)
    twice = await refused(
        desk, prefect, application_id=submitted, run_id=waiting.run_id, options=backdated
    )
    not_submitted = await refused(desk, prefect, application_id=unknown, run_id=str(uuid4()))

    assert without_run == not_submitted == NOT_ASKED_FOR
    assert twice == f"run {waiting.run_id} is carried out by another flow run"
    assert (await waiting.summary()).status is RunStatus.WAITING


async def test_a_run_that_was_deleted_in_prefect_gets_another_flow_run_and_goes_on(
    prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    deleted = await waiting.flow_run_id()
    before = list(waiting.seen)
    (await prefect.delete(f"/flow_runs/{deleted}")).raise_for_status()

    assert (await waiting.answer(decision="approve")).status_code == 202

    assert (await waiting.decision()).outcome is Outcome.APPROVE
    assert await waiting.flow_run_id() != deleted
    events = await waiting.events()
    assert events[: len(before)] == before
    assert [event.type for event in events].count(EventType.WAITING) == 1
    assert events[-1].type is EventType.RUN_COMPLETED


# -- what people type into Prefect's form -------------------------------------------------------


async def inputs(prefect: httpx.AsyncClient, run: StartedRun) -> dict[str, str]:
    """The entries that Prefect keeps of the forms of a run, by key."""
    found = await prefect.post(
        f"/flow_runs/{await run.flow_run_id()}/input/filter", json={"prefix": "", "limit": 200}
    )
    return {entry["key"]: entry["value"] for entry in found.raise_for_status().json()}


async def typed(prefect: httpx.AsyncClient, run: StartedRun) -> None:
    """Leave an answer in Prefect without waking the run: it will be too late."""
    ruling = {"decision": "decline", "reviewer": "Una", "reason": SECRET}
    made = await prefect.post(
        f"/flow_runs/{await run.flow_run_id()}/input",
        json={"key": "suspended-underwriter-1-0-response", "value": json.dumps(ruling)},
    )
    made.raise_for_status()
    assert SECRET in str(await inputs(prefect, run))


async def is_forgotten(prefect: httpx.AsyncClient, run: StartedRun) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while SECRET in str(await inputs(prefect, run)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def test_an_answer_that_lost_to_another_channel_is_not_kept_in_prefect(
    prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    await typed(prefect, waiting)

    assert (await waiting.answer(decision="approve")).status_code == 202

    assert (await waiting.decision()).outcome is Outcome.APPROVE
    await is_forgotten(prefect, waiting)
    assert not [key for key in await inputs(prefect, waiting) if key.endswith("-response")]


async def test_what_was_typed_is_not_kept_in_prefect_when_the_run_is_cancelled(
    desk: Desk, prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    await typed(prefect, waiting)

    assert (await desk.http.post(f"{waiting.url}/cancel")).status_code == 202

    await is_forgotten(prefect, waiting)


async def test_nor_when_it_is_cancelled_in_prefect(
    prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    await typed(prefect, waiting)

    await prefect.post(
        f"/flow_runs/{await waiting.flow_run_id()}/set_state",
        json={"state": {"type": "CANCELLED"}, "force": True},
    )

    await waiting.until(RunStatus.CANCELLED)
    await is_forgotten(prefect, waiting)


async def test_a_rejected_answer_is_not_kept_in_prefect_while_the_run_asks_again(
    prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    ruling = {"decision": "decline", "reviewer": "Una", "reason": SECRET}  # and no reason code
    resume = f"/flow_runs/{await waiting.flow_run_id()}/resume"
    resumed = await prefect.post(resume, json={"run_input": ruling})
    assert resumed.json()["status"] == "ACCEPT"

    await waiting.until(EventType.HITL_REJECTED)
    await waiting.until(EventType.WAITING)
    await is_forgotten(prefect, waiting)


async def test_a_gate_that_asks_twice_hears_both_answers_from_prefect(
    desk: Desk, prefect: httpx.AsyncClient
) -> None:
    run = await desk.start("max-missing")
    useless = {"document_id": "useless", "kind": "w2", "content_base64": "e30="}
    documents = f"/applications/{run.application_id}/documents"
    (wanted,) = load_persona(Settings().data_dir, "max-missing").later_documents

    for document in (useless, as_posted(wanted)):
        await run.until(EventType.WAITING)
        assert (await desk.http.post(documents, json=document)).status_code == 201
        form = {
            "decision": "supplied",
            "document_ids": [document["document_id"]],
            "reviewer": "intake-1",
            "reason": "came by mail",
        }
        await resumed(prefect, run, form)

    assert (await run.decision()).outcome is Outcome.APPROVE
    assert not [key for key in await inputs(prefect, run) if key.endswith("-response")]


async def resumed(prefect: httpx.AsyncClient, run: StartedRun, form: dict[str, Any]) -> None:
    """Submit a form as the Prefect UI does, as soon as the run is asleep."""
    resume = f"/flow_runs/{await run.flow_run_id()}/resume"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await prefect.post(resume, json={"run_input": form})
            if answer.status_code == 201 and answer.json()["status"] == "ACCEPT":
                return
            await asyncio.sleep(0.2)


async def test_a_wait_is_no_error_on_the_page_of_the_run(
    prefect: httpx.AsyncClient, waiting: StartedRun
) -> None:
    wanted = {"logs": {"flow_run_id": {"any_": [await waiting.flow_run_id()]}}}

    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            lines = (await prefect.post("/logs/filter", json=wanted)).json()
            waits = [line for line in lines if "in state Suspended" in line["message"]]
            if waits:
                break
            await asyncio.sleep(0.2)

    assert {line["level"] for line in waits} == {logging.INFO}
    log = waiting.desk.log("worker").splitlines()
    assert not [line for line in log if "ERROR" in line and "Suspended" in line]
