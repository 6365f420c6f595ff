"""The Prefect server is away: the desk accepts applications, and they run when it is back."""

from __future__ import annotations

import time

import pytest

from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk

pytestmark = pytest.mark.timeout(400)
ANSWER_SECONDS = 20.0


async def test_an_application_is_accepted_while_prefect_is_away_and_runs_afterwards(
    faulty_desk: FaultyDesk,
) -> None:
    server = faulty_desk.role("server")
    server.suspend()
    try:
        began = time.monotonic()
        case = await held_runs.start(faulty_desk)
        seconds = time.monotonic() - began
        summary = (await faulty_desk.http.get(f"/runs/{case.run_id}")).json()
    finally:
        server.resume()

    assert seconds < ANSWER_SECONDS
    assert summary["status"] == "queued"
    await held_runs.until_ended(faulty_desk, case)
    invariants.require_whole_journal(faulty_desk, case)
    invariants.require_one_memo_each(faulty_desk, [case])
    await invariants.until_settled(faulty_desk)
