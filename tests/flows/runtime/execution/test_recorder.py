"""The record of a run: put off when the desk is out of order, and by nobody without the lease."""

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
from flows.runtime.ledger.retries import MOST_PUT_OFF
from tests.flows.runtime.entries import draft, left_behind, written


async def test_a_run_is_put_off_a_few_times_and_no_more(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 1)

    put_off = [
        await record.put_off(draft(f"interrupted/{n}", type=EventType.ERROR))
        for n in range(MOST_PUT_OFF + 1)
    ]

    assert put_off == [True] * MOST_PUT_OFF + [False]
    assert len(await written(ledger, run_id)) == MOST_PUT_OFF + 1
    assert (await ledger.read(runs.find, run_id)).status is RunStatus.QUEUED


async def test_who_has_lost_the_lease_puts_nothing_off(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 7)

    with pytest.raises(LeaseLostError):
        await record.put_off(draft("interrupted/7", type=EventType.ERROR))


async def test_a_run_that_is_asked_to_stop_ends_with_the_name_of_who_asked(ledger: Ledger) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 1)
    await ledger.write(cancellations.request, run_id, "olga")

    await record.stop()

    last = Event.model_validate_json((await written(ledger, run_id))[-1])
    assert (last.type, last.meta) == (EventType.RUN_CANCELLED, {"by": "olga"})
    assert (await ledger.read(runs.find, run_id)).status is RunStatus.CANCELLED


async def test_a_ledger_out_of_reach_puts_a_run_off_without_a_word(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await left_behind(ledger, "host:1:worker:now")
    record = LedgerRecord(ledger, CheckpointStore(), run_id, 1)
    before = await written(ledger, run_id)

    async def refuse(*_: Any, **__: Any) -> None:
        raise UnavailableError("the ledger did not answer: database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "write", refuse)
        assert await record.put_off(draft("interrupted/1", type=EventType.ERROR))

    assert await written(ledger, run_id) == before
