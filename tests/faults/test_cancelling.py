"""Cancelling a run in the middle of a stage, also when its worker is killed before it knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk
from tests.faults.load import Case

pytestmark = pytest.mark.timeout(400)

Ask = Callable[[FaultyDesk, Case], Awaitable[None]]
_ENDS = {"run.completed", "run.failed", "run.cancelled"}


async def at_the_desk(faulty_desk: FaultyDesk, case: Case) -> None:
    answer = await faulty_desk.http.post(f"/runs/{case.run_id}/cancel")
    assert answer.status_code == 202, answer.text


async def in_prefect(faulty_desk: FaultyDesk, case: Case) -> None:
    await set_state(faulty_desk, case, "CANCELLING", "Cancelling")


async def set_state(faulty_desk: FaultyDesk, case: Case, type: str, name: str) -> None:
    """As the Prefect UI does it: by force, and without telling the desk."""
    flow_run_id = faulty_desk.flow_run_ids()[case.run_id]
    async with httpx.AsyncClient() as prefect:
        answer = await prefect.post(
            f"http://127.0.0.1:{faulty_desk.prefect_port}/api/flow_runs/{flow_run_id}/set_state",
            json={"state": {"type": type, "name": name}, "force": True},
        )
        assert answer.status_code in {200, 201}, answer.text


def require_cancelled(faulty_desk: FaultyDesk, case: Case, by: str) -> None:
    events = faulty_desk.journal(case.run_id)
    assert [event["type"] for event in events if event["type"] in _ENDS] == ["run.cancelled"]
    assert events[-1]["type"] == "run.cancelled"
    assert events[-1]["meta"]["by"] == by
    assert faulty_desk.state_in_prefect(case.run_id) == "CANCELLED"


@pytest.mark.parametrize(
    ("ask", "by"),
    [
        pytest.param(at_the_desk, "", id="desk"),
        pytest.param(in_prefect, "prefect", id="prefect"),
    ],
)
async def test_a_run_in_the_middle_of_a_stage_is_stopped(
    faulty_desk: FaultyDesk, ask: Ask, by: str
) -> None:
    case = await held_runs.start_held(faulty_desk)

    await ask(faulty_desk, case)

    await held_runs.until_ended(faulty_desk, case, "cancelled")
    await invariants.until_settled(faulty_desk)
    require_cancelled(faulty_desk, case, by)
    held_runs.let_go(faulty_desk, case)


@pytest.mark.parametrize("ask", [at_the_desk, in_prefect], ids=["desk", "prefect"])
async def test_a_run_whose_worker_is_killed_while_it_is_cancelled_has_stopped(
    faulty_desk: FaultyDesk, ask: Ask
) -> None:
    case = await held_runs.start_held(faulty_desk)
    worker = faulty_desk.role("worker")
    worker.suspend()

    await ask(faulty_desk, case)
    worker.kill()

    await held_runs.until_ended(faulty_desk, case, "cancelled")
    await faulty_desk.ready()
    await invariants.until_settled(faulty_desk)
    events = faulty_desk.journal(case.run_id)
    assert [event["type"] for event in events if event["type"] in _ENDS] == ["run.cancelled"]
    held_runs.let_go(faulty_desk, case)


async def test_a_run_that_was_suspended_in_prefect_goes_on_after_its_worker_was_killed(
    faulty_desk: FaultyDesk,
) -> None:
    case = await held_runs.start_held(faulty_desk)
    await set_state(faulty_desk, case, "PAUSED", "Suspended")

    await faulty_desk.kill("worker")
    held_runs.let_go(faulty_desk, case)

    await held_runs.until_ended(faulty_desk, case)
    invariants.require_whole_journal(faulty_desk, case)
    await invariants.until_settled(faulty_desk)
