"""What an execution goes on from, and how it tells so: in this order, and never by a guess."""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.runs import Lineage
from data.settings import settings
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution import open_run
from flows.runtime.execution.context import RunContext, in_run
from flows.runtime.execution.desk import Desk
from flows.runtime.execution.recorder import LedgerRecord
from flows.runtime.ledger import messages, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import blobs
from tests.flows.runtime.entries import RUN, a_claimed_run, written
from tests.flows.runtime.vacation_parts import a_context, in_stage
from tests.flows.runtime.vacation_workflow import LeaveRequest, check

FORK = "fork-1"
LINEAGE = Lineage(parent_run_id=RUN, forked_at="checked/1")


async def a_parent_that_has_checked(ledger: Ledger) -> None:
    epoch = await a_claimed_run(ledger)
    record = LedgerRecord(ledger, CheckpointStore(), RUN, epoch)
    with in_run(a_context(record=record)):
        await check(LeaveRequest(days=3))


async def taken_up(ledger: Ledger, lineage: Lineage | None = LINEAGE) -> RunContext[Any]:
    """A fork's first execution, as far as it remembers."""
    epoch = await a_claimed_run(ledger, FORK)
    store = CheckpointStore()
    run = a_context(record=LedgerRecord(ledger, store, FORK, epoch))
    run.run_id = FORK
    desk = Desk(settings=settings(), ledger=ledger, owner="host:1:worker:now")
    await open_run._remember(desk, store, run, lineage)
    return run


async def kinds(ledger: Ledger) -> list[EventType]:
    return [Event.model_validate_json(body).type for body in await written(ledger, FORK)]


async def test_a_fork_s_thread_and_state_begin_with_what_it_shares(ledger: Ledger) -> None:
    await a_parent_that_has_checked(ledger)

    run = await taken_up(ledger)

    assert await kinds(ledger) == [EventType.RUN_STARTED, EventType.STAGE_TAKEN_OVER]
    said = await ledger.read(messages.of_run, FORK)
    assert said == await ledger.read(messages.of_run, RUN) == run.memory != []
    assert (await ledger.read(runs.find, FORK)).state["check"] is not None


async def test_a_journal_begins_with_the_start_also_where_nothing_can_be_shared(
    ledger: Ledger,
) -> None:
    await a_parent_that_has_checked(ledger)
    await ledger.write(lambda c: c.execute(blobs.delete()))

    run = await taken_up(ledger)

    assert await kinds(ledger) == [EventType.RUN_STARTED, EventType.CHECKPOINT_MISSING]
    assert run.outputs == {}
    assert run.walk.frontier == ("start",)


async def test_what_was_saved_in_another_form_is_not_gone_on_from(ledger: Ledger) -> None:
    epoch = await a_claimed_run(ledger)
    record = LedgerRecord(ledger, CheckpointStore(), RUN, epoch)
    with in_stage(a_context(record=record)) as run:
        run.outputs["check#1"] = {"surprise": 1}
        await run.save_checkpoint("checked")

    with pytest.raises(ConflictError, match="outputs/check#1 has another form"):
        await taken_up(ledger)
    assert await kinds(ledger) == []
