"""Orders: a run is what somebody asked for at the desk, whatever Prefect is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from data.contracts.base import canonical_json
from data.contracts.errors import ConflictError, RecordNotFoundError
from data.contracts.runs import Lineage, RunOptions
from data.settings import FanOutPolicy
from flows.runtime.checkpoints.retention import RetentionPolicy, purge
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import applications, pinned, run_requests, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import ForkRequest, RunRequest
from flows.runtime.ledger.tables import blobs

QUICKLY = RunOptions(fan_out_policy=FanOutPolicy.FAIL_FAST)
LINEAGE = Lineage(parent_run_id="run-1", forked_at="intake/1", may_decide=True)


async def ordered(ledger: Ledger, application_id: str = "app-1", **fields: Any) -> None:
    """An application in the vault, whose run Prefect has not heard of."""
    order = RunRequest(**{"name": "one", "options": QUICKLY, "submitted_by": "Ina"} | fields)
    await ledger.write(
        applications.accept, application_id, "a" * 64, b"{}", order.model_dump(mode="json")
    )


async def fork_of(ledger: Ledger, parent_run_id: str, by: str) -> str:
    order = ForkRequest(
        name="what-if",
        application_id="app-1",
        lineage=LINEAGE.model_copy(update={"parent_run_id": parent_run_id}),
        submitted_by=by,
    )
    return await ledger.write(run_requests.keep, order)


async def test_whoever_enters_a_run_enters_it_as_it_was_ordered(any_ledger: Ledger) -> None:
    await ordered(any_ledger)

    by_worker = await any_ledger.write(run_requests.enter, "run-1", "app-1", traceparent="t")
    by_maker = await any_ledger.write(run_requests.enter, "run-1", "app-1", traceparent="other")

    assert by_worker == by_maker
    assert (by_worker.submitted_by, by_worker.traceparent) == ("Ina", "t")
    assert by_worker.options == QUICKLY.model_dump(mode="json")
    assert by_worker.lineage is None


async def test_a_fork_is_entered_with_all_that_was_ordered(any_ledger: Ledger) -> None:
    await ordered(any_ledger)
    fork = await fork_of(any_ledger, "run-1", by="Sven")

    run = await any_ledger.write(run_requests.take_up, "run-2", "app-1", fork)

    assert run.lineage == LINEAGE.model_dump(mode="json")
    assert run.submitted_by == "Sven"


async def test_two_forks_that_are_ordered_alike_are_two(any_ledger: Ledger) -> None:
    assert await fork_of(any_ledger, "run-1", "Sven") != await fork_of(any_ledger, "run-1", "Sven")


async def test_what_nobody_ordered_is_not_entered(any_ledger: Ledger) -> None:
    await ordered(any_ledger)
    await ordered(any_ledger, "app-2")
    fork = await fork_of(any_ledger, "run-1", by="Sven")
    rules = await any_ledger.write(pinned.keep_pinned, QUICKLY)

    for application_id, claimed in [
        ("app-9", ""),
        ("app-1", "f" * 64),
        ("app-1", canonical_json(LINEAGE).decode()),
        ("app-1", rules),
        ("app-2", fork),
    ]:
        with pytest.raises(RecordNotFoundError, match="nobody ordered"):
            await any_ledger.write(run_requests.enter, "run-2", application_id, claimed)

    assert await any_ledger.read(runs.find_all, ["run-2"]) == {}


async def test_an_order_is_carried_out_once(any_ledger: Ledger) -> None:
    await ordered(any_ledger)
    fork = await fork_of(any_ledger, "run-1", by="Sven")
    for first, claimed in (("run-1", ""), ("run-2", fork)):
        await any_ledger.write(run_requests.take_up, first, "app-1", claimed)

        with pytest.raises(ConflictError, match=f"is run {first}'s"):
            await any_ledger.write(run_requests.take_up, "run-9", "app-1", claimed)


async def test_a_run_stays_what_it_was_entered_as(any_ledger: Ledger) -> None:
    await ordered(any_ledger)
    await ordered(any_ledger, "app-2")
    entered = await any_ledger.write(run_requests.enter, "run-1", "app-1")

    assert await any_ledger.write(run_requests.take_up, "run-1", "app-2", "f" * 64) == entered


async def test_housekeeping_leaves_an_order_where_its_run_will_look_for_it(ledger: Ledger) -> None:
    await ordered(ledger)
    fork = await fork_of(ledger, "run-1", by="Sven")
    await ledger.write(lambda one: one.execute(blobs.update().values(written_at="2020")))

    await purge(ledger, CheckpointStore(), RetentionPolicy(timedelta(0), 1), dry_run=False)

    assert (await ledger.write(run_requests.take_up, "run-2", "app-1", fork)).submitted_by == "Sven"


async def test_a_fork_of_a_fork_was_asked_for_by_three(any_ledger: Ledger) -> None:
    await ordered(any_ledger)
    await any_ledger.write(run_requests.enter, "run-1", "app-1")
    first = await fork_of(any_ledger, "run-1", by="Sven")
    await any_ledger.write(run_requests.enter, "run-2", "app-1", first)
    second = await fork_of(any_ledger, "run-2", by="Una")

    run = await any_ledger.write(run_requests.enter, "run-3", "app-1", second)

    assert set(await any_ledger.read(run_requests.submitters, run)) == {"Ina", "Sven", "Una"}


async def test_a_run_of_whom_nobody_knows_who_asked_has_no_submitter(any_ledger: Ledger) -> None:
    await ordered(any_ledger, submitted_by="")
    run = await any_ledger.write(run_requests.enter, "run-1", "app-1")

    assert await any_ledger.read(run_requests.submitters, run) == ()
