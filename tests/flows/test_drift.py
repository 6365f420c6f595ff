"""The job `drift` on a running desk: its page in Prefect and its metric."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests.desk import Desk

PATIENCE_SECONDS = 60.0


@pytest.mark.timeout(240)
async def test_the_job_leaves_a_page_in_prefect(desk: Desk) -> None:
    async with httpx.AsyncClient(base_url=desk.prefect_url, timeout=30) as http:
        found = (await http.get("/api/deployments/name/drift/drift")).raise_for_status().json()
        assert [schedule["slug"] for schedule in found["schedules"]] == ["daily"]
        made = await http.post(f"/api/deployments/{found['id']}/create_flow_run", json={})
        run_id = made.raise_for_status().json()["id"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (state := await _state(http, run_id)) not in {"COMPLETED", "FAILED", "CRASHED"}:
            assert time.monotonic() < deadline, state
            await asyncio.sleep(0.5)
        pages = await http.post(
            "/api/artifacts/filter", json={"artifacts": {"key": {"any_": ["drift"]}}}
        )

    assert state == "COMPLETED"
    assert "# Drift" in pages.raise_for_status().json()[0]["data"]


async def _state(http: httpx.AsyncClient, run_id: str) -> str:
    found = (await http.get(f"/api/flow_runs/{run_id}")).raise_for_status().json()
    return str(found["state_type"])
