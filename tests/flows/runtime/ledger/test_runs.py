"""The register: one run per origin, mapped to one flow run, listed page by page."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from data.contracts.errors import RecordNotFoundError
from data.contracts.runs import RetryState, RunStatus
from flows.runtime.ledger import journal, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, TRACE, a_run


async def test_one_origin_has_one_run_however_many_processes_enter_it(any_ledger: Ledger) -> None:
    entered = await asyncio.gather(
        *(
            any_ledger.write(runs.register, f"run-{n}", "application:app-1", application_id="app-1")
            for n in range(20)
        )
    )

    assert len({run.run_id for run in entered}) == 1
    found = await any_ledger.read(runs.find_by_origin, "application:app-1")
    assert found is not None
    assert found.run_id == entered[0].run_id
    assert found.status is RunStatus.QUEUED


async def test_a_run_that_was_never_entered_is_not_found(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError, match="there is no run run-9"):
        await any_ledger.read(runs.find, "run-9")
    assert await any_ledger.read(runs.find_by_origin, "application:app-9") is None


async def paged(ledger: Ledger, **wanted: Any) -> list[runs.Run]:
    return await ledger.read(lambda connection: runs.page(connection, **wanted))


async def test_pages_go_from_the_newest_to_the_oldest_without_gap_or_double(
    any_ledger: Ledger,
) -> None:
    for n in range(7):
        await a_run(any_ledger, f"run-{n}", created_at=f"2026-11-22T08:00:0{n // 2}.000000Z")

    pages, before = [], None
    while page := await paged(any_ledger, limit=3, before=before):
        pages.append([run.run_id for run in page])
        before = (page[-1].created_at, page[-1].run_id)

    assert pages == [["run-6", "run-5", "run-4"], ["run-3", "run-2", "run-1"], ["run-0"]]


async def test_a_page_may_be_of_one_status_or_one_application(any_ledger: Ledger) -> None:
    await a_run(any_ledger, "done", status=RunStatus.COMPLETED)
    await a_run(any_ledger, "open")

    completed = await paged(any_ledger, limit=9, status="completed", application_id=None)
    of_one = await paged(any_ledger, limit=9, application_id="of-open")

    assert [run.run_id for run in completed] == ["done"]
    assert [run.run_id for run in of_one] == ["open"]


# -- the flow run that carries out a run -----------------------------------------------------------


async def test_a_run_has_no_flow_run_until_it_is_mapped_to_one(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    entered = await any_ledger.read(runs.find, RUN)

    mapped = await any_ledger.write(runs.map_to_flow_run, RUN, "flow-1", seen="")

    assert (entered.flow_run_id, mapped) == ("", True)
    found = await any_ledger.read(runs.of_flow_runs, ["flow-1", "flow-2"])
    assert {flow_run_id: run.run_id for flow_run_id, run in found.items()} == {"flow-1": RUN}


async def test_of_many_processes_that_map_a_run_at_once_one_writes_the_mapping(
    any_ledger: Ledger,
) -> None:
    await a_run(any_ledger)

    written = await asyncio.gather(
        *(any_ledger.write(runs.map_to_flow_run, RUN, f"flow-{n}", seen="") for n in range(10))
    )

    assert sorted(written) == [False] * 9 + [True]
    mapped = (await any_ledger.read(runs.find, RUN)).flow_run_id
    assert mapped == f"flow-{written.index(True)}"


async def test_a_mapping_is_replaced_only_by_a_process_that_has_seen_it(
    any_ledger: Ledger,
) -> None:
    await a_run(any_ledger, flow_run_id="lost")

    late = await any_ledger.write(runs.map_to_flow_run, RUN, "flow-1", seen="")
    informed = await any_ledger.write(runs.map_to_flow_run, RUN, "flow-2", seen="lost")

    assert (late, informed) == (False, True)
    assert (await any_ledger.read(runs.find, RUN)).flow_run_id == "flow-2"


async def test_a_reference_knows_what_a_sweep_and_prefect_need(any_ledger: Ledger) -> None:
    counted = RetryState(crashes=2, is_quarantined=True)
    await a_run(any_ledger, flow_run_id="flow-1", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    await any_ledger.write(journal.append, RUN, [], retry_state=counted)

    (run,) = await any_ledger.read(runs.queued)

    assert (run.run_id, run.flow_run_id, run.trace_id) == (RUN, "flow-1", TRACE)
    assert run.retry_state == counted
    assert run.is_quarantined


# -- whose turn it is to be looked at ------------------------------------------------------------


async def test_runs_that_wait_are_taken_in_turn_until_none_is_left(any_ledger: Ledger) -> None:
    for n in range(5):
        await a_run(any_ledger, f"run-{n}", status=RunStatus.WAITING)
    await a_run(any_ledger, "queued")

    rounds, last = [], ""
    while taken := [run.run_id for run in await any_ledger.read(runs.waiting, last, 2)]:
        rounds.append(taken)
        last = taken[-1]

    assert rounds == [["run-0", "run-1"], ["run-2", "run-3"], ["run-4"]]
    assert [run.run_id for run in await any_ledger.read(runs.queued)] == ["queued"]
