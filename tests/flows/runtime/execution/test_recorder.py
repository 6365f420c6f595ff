"""The record of a run: a retry after an outage, and nothing written without the lease."""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.errors import LeaseLostError, UnavailableError
from data.contracts.events import Event, EventType
from data.contracts.runs import RunStatus
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution.recorder import LedgerRecord
from flows.runtime.ledger import cancellations, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.retries import MAX_RETRIES
from tests.flows.runtime.entries import draft, left_behind, written


async def test_a_run_is_retried_a_few_times_and_no_more(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 1)

    retried = [
        await record.schedule_retry(draft(f"interrupted/{n}", type=EventType.ERROR))
        for n in range(MAX_RETRIES + 1)
    ]

    assert retried == [True] * MAX_RETRIES + [False]
    assert len(await written(ledger, run_id)) == MAX_RETRIES + 1
    assert (await ledger.read(runs.find, run_id)).status is RunStatus.QUEUED


async def test_an_execution_that_has_lost_the_lease_schedules_no_retry(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 7)

    with pytest.raises(LeaseLostError):
        await record.schedule_retry(draft("interrupted/7", type=EventType.ERROR))


async def test_a_run_that_is_asked_to_stop_ends_with_the_name_of_the_asker(
    ledger: Ledger,
) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 1)
    await ledger.write(cancellations.request, run_id, "olga")

    await record.stop()

    last = Event.model_validate_json((await written(ledger, run_id))[-1])
    assert (last.type, last.meta) == (EventType.RUN_CANCELLED, {"by": "olga"})
    assert (await ledger.read(runs.find, run_id)).status is RunStatus.CANCELLED


async def test_a_run_is_retried_without_a_word_when_the_ledger_is_out_of_reach(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 1)
    before = await written(ledger, run_id)

    async def refuse(*_: Any, **__: Any) -> None:
        raise UnavailableError("the ledger did not answer: database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "write", refuse)
        assert await record.schedule_retry(draft("interrupted/1", type=EventType.ERROR))

    assert await written(ledger, run_id) == before
