"""The register: one run per application, one worker per run, and whose turn it is."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.errors import ConflictError, LeaseLostError, RecordNotFoundError
from data.contracts.runs import RunStatus
from flows.runtime.ledger import applications, cancellations, journal, leases, pinned, runs, tables
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import papers
from tests.flows.runtime.entries import RUN, a_claimed_run, a_run, draft

ORDER: dict[str, Any] = {"name": "underwrite one"}


class Rules(Contract):
    version: int


async def accept(ledger: Ledger, content: str, body: bytes = b"{}") -> None:
    await ledger.write(applications.accept, "app-1", content, body, ORDER)


# -- the vault ---------------------------------------------------------------------------------


async def test_an_application_is_filed_as_it_was_handed_in(any_ledger: Ledger) -> None:
    await accept(any_ledger, "a" * 64, b'{"a": 1}')

    filed = await any_ledger.read(applications.filed, "app-1")

    assert filed == applications.Filed(b'{"a": 1}')


async def test_the_same_application_again_is_no_news(any_ledger: Ledger) -> None:
    await asyncio.gather(*(accept(any_ledger, "a" * 64) for _ in range(20)))

    with any_ledger.reading() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(tables.applications)).scalar()
            == 1
        )


async def test_of_two_contents_under_one_id_the_first_stands(any_ledger: Ledger) -> None:
    outcomes = await asyncio.gather(
        *(accept(any_ledger, letter * 64, letter.encode()) for letter in "abcdef"),
        return_exceptions=True,
    )

    refused = [one for one in outcomes if isinstance(one, ConflictError)]
    assert len(refused) == 5
    winner = "abcdef"[outcomes.index(None)]
    assert (await any_ledger.read(applications.filed, "app-1")).body == winner.encode()


async def test_later_papers_come_in_the_order_of_their_filing(any_ledger: Ledger) -> None:
    await accept(any_ledger, "a" * 64)

    def file(connection: sa.Connection) -> None:
        for paper_id, at in (("b", "2026-11-22T09"), ("a", "2026-11-22T10")):
            connection.execute(
                papers.insert().values(
                    application_id="app-1",
                    paper_id=paper_id,
                    body=zlib.compress(paper_id.encode()),
                    filed_by="intake",
                    filed_at=at,
                )
            )

    await any_ledger.write(file)

    assert (await any_ledger.read(applications.filed, "app-1")).papers == (b"b", b"a")


async def test_what_is_not_filed_is_not_found(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError, match="no application"):
        await any_ledger.read(applications.filed, "app-9")


# -- the register ------------------------------------------------------------------------------


async def test_one_origin_has_one_run_however_many_enter_it(any_ledger: Ledger) -> None:
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


async def test_a_run_that_nobody_entered_is_not_found(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError, match="there is no run run-9"):
        await any_ledger.read(runs.find, "run-9")
    assert await any_ledger.read(runs.find_by_origin, "application:app-9") is None


async def test_an_accepted_application_without_a_run_is_noticed(any_ledger: Ledger) -> None:
    await accept(any_ledger, "a" * 64)
    (missing,) = await any_ledger.read(applications.without_run)
    assert (missing.application_id, missing.order) == ("app-1", ORDER)

    await any_ledger.write(runs.register, RUN, "application:app-1", application_id="app-1")

    assert await any_ledger.read(applications.without_run) == []


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


# -- leases ------------------------------------------------------------------------------------


async def test_of_twenty_workers_one_gets_the_run(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    epochs = await asyncio.gather(
        *(any_ledger.write(leases.acquire_lease, RUN, f"host:{n}:w", 60) for n in range(20))
    )

    assert sorted(epoch for epoch in epochs if epoch is not None) == [1]
    assert (await any_ledger.read(runs.find, RUN)).status is RunStatus.RUNNING


async def test_every_change_of_hands_has_a_later_epoch(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    epochs = []
    for _ in range(3):
        epoch = await any_ledger.write(leases.acquire_lease, RUN, "host:1:w", 60)
        assert epoch is not None
        epochs.append(epoch)
        await any_ledger.write(leases.release_lease, RUN, epoch)

    assert epochs == [1, 2, 3]


async def test_a_lease_that_nobody_renewed_may_be_taken(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger, seconds=-1)

    (left,) = await any_ledger.read(leases.leased)
    epoch = await any_ledger.write(leases.acquire_lease, RUN, "host:2:other", 60)

    assert (left.run_id, left.lease_owner) == (RUN, "host:1:worker")
    assert epoch == 2
    (now_held,) = await any_ledger.read(leases.leased)
    assert now_held.lease_owner == "host:2:other"


async def test_a_lease_that_is_renewed_is_not_taken(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger, seconds=-1)

    held = await any_ledger.write(leases.renew_leases, "host:1:worker", 60)

    assert held == {RUN}
    assert await any_ledger.write(leases.acquire_lease, RUN, "host:2:other", 60) is None


async def test_whoever_lost_a_run_learns_so_when_renewing(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger, seconds=-1)
    await any_ledger.write(leases.acquire_lease, RUN, "host:2:other", 60)

    assert await any_ledger.write(leases.renew_leases, "host:1:worker", 60) == set()


@pytest.mark.parametrize(
    "status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED], ids=str
)
async def test_a_run_that_has_ended_is_executed_by_nobody(
    any_ledger: Ledger, status: RunStatus
) -> None:
    await a_run(any_ledger, status=status)

    assert await any_ledger.write(leases.acquire_lease, RUN, "host:1:w", 60) is None


async def test_a_run_that_shall_stop_is_executed_by_nobody(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await any_ledger.write(cancellations.ask_to_stop, RUN)

    assert await any_ledger.write(leases.acquire_lease, RUN, "host:1:w", 60) is None


async def test_a_run_that_does_not_exist_is_claimed_by_nobody(any_ledger: Ledger) -> None:
    assert await any_ledger.write(leases.acquire_lease, "run-9", "host:1:w", 60) is None


async def test_a_released_run_is_queued_again_unless_it_waits_or_has_ended(
    any_ledger: Ledger,
) -> None:
    statuses = {}
    for status in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.COMPLETED):
        epoch = await a_claimed_run(any_ledger, status.value)
        await any_ledger.write(
            journal.append, status.value, [draft("a")], epoch=epoch, status=status
        )
        await any_ledger.write(leases.release_lease, status.value, epoch)
        statuses[status] = (await any_ledger.read(runs.find, status.value)).status

    assert statuses == {
        RunStatus.RUNNING: RunStatus.QUEUED,
        RunStatus.WAITING: RunStatus.WAITING,
        RunStatus.COMPLETED: RunStatus.COMPLETED,
    }
    assert await any_ledger.read(leases.leased) == []


async def test_a_late_release_leaves_the_new_worker_its_lease(any_ledger: Ledger) -> None:
    old = await a_claimed_run(any_ledger, seconds=-1)
    await any_ledger.write(leases.acquire_lease, RUN, "host:2:other", 60)

    await any_ledger.write(leases.release_lease, RUN, old)

    run = await any_ledger.read(runs.find, RUN)
    assert (run.lease_owner, run.status) == ("host:2:other", RunStatus.RUNNING)


async def test_a_lost_lease_is_an_error_with_its_run_and_epoch(any_ledger: Ledger) -> None:
    await a_claimed_run(any_ledger)

    with pytest.raises(LeaseLostError, match=r"run-1 .* lease 7"):
        await any_ledger.write(leases.require_lease, RUN, 7)


async def test_whoever_has_given_the_lease_back_holds_it_no_more(any_ledger: Ledger) -> None:
    epoch = await a_claimed_run(any_ledger)
    await any_ledger.write(leases.release_lease, RUN, epoch)

    with pytest.raises(LeaseLostError):
        await any_ledger.write(leases.require_lease, RUN, epoch)


@pytest.mark.parametrize(
    "status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED], ids=str
)
async def test_after_the_end_an_execution_writes_nothing_more(
    any_ledger: Ledger, status: RunStatus
) -> None:
    epoch = await a_claimed_run(any_ledger)
    await any_ledger.write(journal.append, RUN, [draft("end")], epoch=epoch, status=status)

    with pytest.raises(LeaseLostError):
        await any_ledger.write(journal.append, RUN, [draft("another end")], epoch=epoch)


# -- whose turn it is to be looked at ------------------------------------------------------------


async def test_runs_that_wait_are_taken_in_turn_and_then_from_the_first_again(
    any_ledger: Ledger,
) -> None:
    for n in range(5):
        await a_run(any_ledger, f"run-{n}", status=RunStatus.WAITING)
    await a_run(any_ledger, "queued")

    rounds, last = [], ""
    for _ in range(3):
        taken = [run.run_id for run in await any_ledger.read(runs.waiting, last, 2)]
        rounds.append(taken)
        last = taken[-1]

    assert rounds == [["run-0", "run-1"], ["run-2", "run-3"], ["run-4", "run-0"]]
    assert [run.run_id for run in await any_ledger.read(runs.queued)] == ["queued"]


# -- what a run decides by ---------------------------------------------------------------------


async def test_a_run_keeps_the_rules_that_it_was_first_executed_with(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    first = await any_ledger.write(pinned.pin, RUN, "1", Rules(version=1))
    later = await any_ledger.write(pinned.pin, RUN, "2", Rules(version=2))

    assert first is None
    assert later is not None
    assert Rules.model_validate_json(later) == Rules(version=1)
    assert (await any_ledger.read(runs.find, RUN)).workflow_version == "1"


async def test_a_later_run_has_the_later_rules(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await a_run(any_ledger, "run-2")
    await any_ledger.write(pinned.pin, RUN, "1", Rules(version=1))

    assert await any_ledger.write(pinned.pin, "run-2", "1", Rules(version=2)) is None
