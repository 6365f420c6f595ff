"""The map in three forms, and the probes."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from api.readiness import ReadinessProbe
from tests.api.desks import RUN_ID, FakeDesk


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("svg", "image/svg+xml"), ("dot", "text/vnd.graphviz"), ("json", "application/json")],
)
async def test_the_map_is_drawn_in_the_form_that_is_asked_for(
    client: httpx.AsyncClient, desk: FakeDesk, form: str, media_type: str
) -> None:
    answer = await client.get(f"/workflow/graph.{form}", params={"run_id": RUN_ID})

    assert answer.text == f"the map as {form}"
    assert answer.headers["content-type"].startswith(media_type)
    assert desk.asked == [(form, RUN_ID)]


async def test_the_process_is_alive_whatever_else_is_not(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.checks = {"ledger": False}

    assert (await client.get("/health/live")).status_code == 200


async def test_a_desk_whose_parts_all_answer_is_ready(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json()["ready"] is True


async def test_a_desk_without_a_worker_is_not_ready_and_says_so(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.checks["worker"] = False

    answer = await client.get("/health/ready")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {
        "ready": False,
        "checks": {"ledger": True, "prefect": True, "worker": False},
    }


async def test_many_probes_ask_the_desk_once_a_second(desk: FakeDesk) -> None:
    now = 0.0
    probe = ReadinessProbe(desk, clock=lambda: now)

    answers = await asyncio.gather(*(probe.check() for _ in range(20)))
    now = 0.9
    answers.append(await probe.check())
    assert desk.probes == 1
    assert all(answer.ready for answer in answers)

    desk.checks = {"ledger": False}
    now = 1.0
    assert not (await probe.check()).ready
    assert desk.probes == 2
