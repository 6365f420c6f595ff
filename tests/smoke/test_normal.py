"""Smoke: an application without a doubt, straight through the real desk."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from itertools import pairwise

import psutil

from data.contracts.decision import Grade, Outcome
from data.contracts.events import EventStatus, EventType
from data.contracts.runs import RunStatus
from flows.workflow import WORKFLOW
from tests.desk import Desk, StartedRun


async def followed(run: StartedRun) -> StartedRun:
    """Read the journal live, from the first event to the last."""
    await run.until(EventType.RUN_COMPLETED)
    return run


async def test_a_clear_case_is_approved_without_anybody_being_asked(desk: Desk) -> None:
    run = await desk.start("ada-prime")

    decision = await run.decision()

    assert decision.outcome is Outcome.APPROVE
    assert decision.grade is Grade.A
    assert decision.offer is not None
    assert str(decision.offer.amount) == "10000.00"
    assert decision.rulings == ()


async def test_no_process_of_the_desk_talks_to_another_machine(desk: Desk) -> None:
    run = await desk.start("ada-prime")
    others: set[str] = set()

    while (await run.summary()).status is not RunStatus.COMPLETED:
        for process in [desk.process, *desk.process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # a process may end meanwhile
                connections = process.net_connections("inet")
                others |= {str(found.raddr.ip) for found in connections if found.raddr}

    assert others, "the processes of a desk talk to each other"
    assert {address for address in others if not ip_address(address).is_loopback} == set()


async def test_a_client_sees_every_event_once_and_in_order(desk: Desk) -> None:
    run = await followed(await desk.start("ada-prime"))

    assert [event.id for event in run.seen] == list(range(1, len(run.seen) + 1))
    assert {event.run_id for event in run.seen} == {run.run_id}
    assert all(event.ts <= later.ts for event, later in pairwise(run.seen))
    assert run.seen[0].type is EventType.RUN_STARTED
    assert run.seen[-1].status is EventStatus.DONE
    assert len(run.seen) <= 100


async def test_progress_grows_to_the_whole_and_never_falls(desk: Desk) -> None:
    run = await followed(await desk.start("ada-prime"))

    shares = [event.progress for event in run.seen]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert len(set(shares)) > 5


async def test_the_stages_tell_of_themselves_in_the_order_of_the_map(desk: Desk) -> None:
    run = await followed(await desk.start("ada-prime"))

    ended = {EventType.STAGE_COMPLETED, EventType.STAGE_SKIPPED}
    assert [event.phase for event in run.seen if event.type in ended] == list(WORKFLOW.stages)


async def test_what_a_late_client_reads_is_what_a_live_one_saw(desk: Desk) -> None:
    run = await followed(await desk.start("ada-prime"))

    assert await run.events() == run.seen
    assert [event.id async for event in run.follow(after=len(run.seen) - 2)] == [
        len(run.seen) - 1,
        len(run.seen),
    ]


async def test_the_summary_of_a_decided_run_says_what_was_decided(desk: Desk) -> None:
    run = await followed(await desk.start("ada-prime"))

    summary = await run.summary()

    assert summary.status is RunStatus.COMPLETED
    assert summary.progress == 1.0
    assert summary.decision is not None
    assert summary.decision["outcome"] == "approve"
    assert summary.decision["content_sha256"] == (await run.decision()).content_sha256
    assert summary.waiting_for is None
    assert summary.error is None


async def test_the_events_of_a_run_belong_to_one_trace(desk: Desk) -> None:
    run = await followed(await desk.start("ada-prime"))

    assert {event.trace_id for event in run.seen} == {(await run.summary()).trace_id}


async def test_the_same_application_again_is_the_same_run(desk: Desk) -> None:
    first = await followed(await desk.start("dora-duplicate"))

    again = await desk.start("dora-duplicate", **{"as": first.application_id})

    assert again.run_id == first.run_id
    assert await again.events() == first.seen


async def test_two_copies_of_a_case_are_decided_byte_by_byte_alike(desk: Desk) -> None:
    first, second = await desk.start("ben-midland"), await desk.start("ben-midland")

    assert await first.decision() == await second.decision()
    assert first.run_id != second.run_id
