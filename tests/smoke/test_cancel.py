"""Smoke: a run that is cancelled ends as cancelled, whatever it is doing at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from data.contracts.events import TERMINAL, EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk, StartedRun

SECONDS = 30.0
Cancel = Callable[[StartedRun], Awaitable[None]]


async def cancelled_at_the_desk(run: StartedRun) -> None:
    answer = await run.desk.http.post(f"{run.url}/cancel")
    assert answer.status_code == 202, answer.text


async def cancelled_in_prefect(run: StartedRun) -> None:
    """As the Prefect UI does it: by force, and without a word to the desk."""
    flow_run_id = await run.flow_run_id()
    async with httpx.AsyncClient(base_url=run.desk.prefect_url) as prefect:
        answer = await prefect.post(
            f"/api/flow_runs/{flow_run_id}/set_state",
            json={"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True},
        )
        assert answer.status_code in {200, 201}, answer.text


BY = pytest.mark.parametrize(
    "cancel", [cancelled_at_the_desk, cancelled_in_prefect], ids=["desk", "prefect"]
)


async def require_cancelled(run: StartedRun, cancel: Cancel) -> None:
    """The journal ends with one end, no request is open, and Prefect has the same end."""
    events = await run.events(seconds=SECONDS)
    ends = [event.type for event in events if event.type in TERMINAL]
    assert ends == [EventType.RUN_CANCELLED]
    assert events[-1].type is EventType.RUN_CANCELLED
    # A desk without keys knows no names.
    assert events[-1].meta["by"] == ("prefect" if cancel is cancelled_in_prefect else "")
    assert (await run.summary()).status is RunStatus.CANCELLED
    inbox = (await run.desk.http.get("/inbox")).json()
    assert run.run_id not in str(inbox)
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(base_url=run.desk.prefect_url) as prefect,
    ):
        while True:
            flow_run_id = await run.flow_run_id()
            flow_run = (await prefect.get(f"/api/flow_runs/{flow_run_id}")).json()
            if flow_run["state"]["type"] == "CANCELLED":
                break
            await asyncio.sleep(0.2)
    assert await run.events() == events


@BY
async def test_a_run_that_sleeps_at_a_gate_ends(desk: Desk, cancel: Cancel) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    await asyncio.sleep(1.5)

    await cancel(run)

    await require_cancelled(run, cancel)
    late = await run.answer(gate="underwriter", decision="approve")
    assert late.status_code == 409


@BY
async def test_a_run_that_is_just_falling_asleep_at_a_gate_ends(desk: Desk, cancel: Cancel) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)

    await cancel(run)

    await require_cancelled(run, cancel)


@BY
@pytest.mark.parametrize("seconds", [0.0, 0.15, 0.3, 0.6, 1.0])
async def test_a_run_ends_however_far_it_has_come(
    desk: Desk, cancel: Cancel, seconds: float
) -> None:
    run = await desk.start("bora-borderline")
    await asyncio.sleep(seconds)

    await cancel(run)

    await require_cancelled(run, cancel)


async def test_a_run_that_was_cancelled_already_stays_cancelled(desk: Desk) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    await cancelled_at_the_desk(run)
    before = await run.events(seconds=SECONDS)

    await cancelled_at_the_desk(run)
    await asyncio.sleep(1)

    assert await run.events() == before
    assert (await run.summary()).status is RunStatus.CANCELLED


async def test_a_run_that_has_ended_cannot_be_cancelled(desk: Desk) -> None:
    run = await desk.start("ada-prime")
    before = await run.events()

    refused = await desk.http.post(f"{run.url}/cancel")
    await cancelled_in_prefect(run)
    await asyncio.sleep(1)

    assert refused.status_code == 409
    assert await run.events() == before
    assert (await run.summary()).status is RunStatus.COMPLETED
