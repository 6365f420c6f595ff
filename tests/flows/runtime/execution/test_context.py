"""The run under way: what it tells, remembers, saves, and goes on from."""

from __future__ import annotations

import pytest

from data.contracts.errors import InvalidTransitionError, WorkflowError
from data.contracts.events import EventType
from data.contracts.review import ReviewRequest, Role
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution.context import in_run
from flows.runtime.execution.gatekeeper import PreparedAnswers, WaitingForReviewError
from flows.runtime.execution.recorder import LedgerRecord, MemoryRecord
from flows.runtime.ledger import checkpoint_index, journal, leases, messages, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_claimed_run
from tests.flows.runtime.vacation_parts import a_context, granted, in_stage
from tests.flows.runtime.vacation_workflow import (
    Checked,
    LeaveRequest,
    Letter,
    ManagerRuling,
    check,
    decide,
)

REQUEST = LeaveRequest(days=3)
LONG = LeaveRequest(days=9)
ASKED = ReviewRequest(role=Role.OPERATOR, title="t", summary="s", facts={"days": 9})


async def test_an_update_changes_the_state_and_tells_what_changed() -> None:
    record = MemoryRecord()
    with in_stage(a_context(record=record)) as run:
        await run.update(note="on the phone")

    assert run.state.note == "on the phone"
    (draft,) = record.drafts
    assert draft.type is EventType.STATE_UPDATED
    assert draft.meta["changed"] == [{"op": "replace", "path": "/note", "value": "on the phone"}]
    assert record.entries[0].changes["state"]["note"] == "on the phone"


async def test_an_update_of_an_unknown_field_changes_nothing() -> None:
    with in_stage(a_context()) as run, pytest.raises(InvalidTransitionError, match="no field mood"):
        await run.update(note="good", mood="good")

    assert run.state.note == ""


async def test_things_said_twice_in_a_stage_have_two_keys_that_a_replay_repeats() -> None:
    told = []
    for _ in range(2):
        record = MemoryRecord()
        with in_stage(a_context(record=record)) as run:
            await run.emit(EventType.PROGRESS, "half")
            await run.emit(EventType.PROGRESS, "nearly")
            await run.emit(EventType.PROGRESS, "done", key="own key")
        told.append([draft.key for draft in record.drafts])

    assert told[0] == told[1] == ["check#1/progress/1", "check#1/progress/2", "own key"]


async def test_a_checkpoint_on_request_has_a_name_and_versions() -> None:
    record = MemoryRecord()
    with in_stage(a_context(record=record)) as run:
        names = [await run.save_checkpoint("mine", {"n": n}) for n in range(2)]
        names.append(await run.save_checkpoint("other"))

    assert names == ["run-1/mine/1", "run-1/mine/2", "run-1/other/1"]
    saved = [entry.checkpoint for entry in record.entries if entry.checkpoint]
    assert [checkpoint.ordinal for checkpoint in saved] == [1, 2, 3]
    assert [checkpoint.parent for checkpoint in saved] == ["", "run-1/mine/1", "run-1/mine/2"]
    assert [checkpoint.data for checkpoint in saved] == [{"n": 0}, {"n": 1}, {}]


async def test_from_a_checkpoint_another_execution_goes_on() -> None:
    record = MemoryRecord()
    with in_run(a_context(record=record)) as _:
        checked = await check(REQUEST)
    saved = record.last_checkpoint
    assert saved is not None

    later = a_context(record=MemoryRecord())
    later.restore(saved)
    with in_run(later):
        letter = await decide(REQUEST)

    assert later.state.check == checked
    assert letter == Letter(granted=True)
    assert later.walk.visits["check"] == 1
    assert later.progress.overall == 1.0
    assert isinstance(later.record, MemoryRecord)
    stages = {d.phase for d in later.record.drafts if d.type is EventType.STAGE_STARTED}
    assert stages == {"letter"}
    assert later.record.last_checkpoint is not None
    assert later.record.last_checkpoint.ordinal == saved.ordinal + 1
    assert later.record.last_checkpoint.parent == "run-1/checked/1"


async def test_a_fork_counts_its_own_checkpoints_and_knows_its_parent() -> None:
    record = MemoryRecord()
    with in_run(a_context(record=record)):
        await check(REQUEST)
    assert record.last_checkpoint is not None

    fork = a_context(record=MemoryRecord())
    fork.restore(record.last_checkpoint, shared=True)
    with in_run(fork):
        await decide(REQUEST)

    assert isinstance(fork.record, MemoryRecord)
    assert fork.record.last_checkpoint is not None
    assert fork.record.last_checkpoint.ordinal == 1
    assert fork.record.last_checkpoint.parent == "run-1/checked/1"


async def test_a_gate_without_an_answer_ends_an_inline_run_and_says_what_is_asked() -> None:
    with in_run(a_context()), pytest.raises(WaitingForReviewError) as caught:
        await decide(LONG)

    assert caught.value.gate == "manager"
    assert caught.value.request.facts == {"days": 9}


async def test_an_answer_goes_on_the_record_and_into_the_thread() -> None:
    record = MemoryRecord()
    run = a_context(record=record, gatekeeper=PreparedAnswers(granted()))
    with in_run(run):
        letter = await decide(LONG)

    assert letter == Letter(granted=True)
    (resolved,) = [d for d in record.drafts if d.type is EventType.HITL_RESOLVED]
    assert resolved.meta["decision"] == "grant"
    assert resolved.meta["channel"] == "http"
    assert resolved.meta["proven"] is False
    assert resolved.meta["reviewer"] == "Mona"
    assert ("operator", "manager: grant") in [
        (message.author, message.text) for message in run.memory
    ]
    assert run.progress.overall == 1.0


async def test_a_form_of_another_gate_is_refused() -> None:
    with in_stage(a_context()) as run, pytest.raises(WorkflowError, match="belongs to 'manager'"):
        await run.request_hitl("director", ManagerRuling, ASKED)


async def test_a_run_in_the_ledger_keeps_state_thread_and_checkpoints(ledger: Ledger) -> None:
    epoch = await a_claimed_run(ledger)
    store = CheckpointStore()
    record = LedgerRecord(ledger, store, RUN, epoch)
    with in_run(a_context(record=record)):
        await decide(REQUEST)

    run = await ledger.read(runs.find, RUN)
    assert run.state["letter"] == {"granted": True}
    assert run.progress == 1.0
    thread = await ledger.read(messages.of_run, RUN)
    assert [message.n for message in thread] == [1, 2, 3]
    assert {message.author for message in thread} == {"balance", "cover", "letter"}
    listed = await ledger.read(checkpoint_index.entries, RUN)
    assert [(entry.label, entry.version, entry.ordinal) for entry in listed] == [
        ("checked", 1, 1),
        ("sent", 1, 2),
    ]
    found = await ledger.read(checkpoint_index.locate, RUN)
    assert found is not None
    saved = await checkpoints.load(store, *found)
    assert set(saved.outputs) == {"check#1", "letter#1"}
    assert set(saved.fingerprints) == {"check", "letter"}


@pytest.mark.parametrize(
    ("author", "stage", "text", "found"),
    [
        (None, None, None, ["balance", "cover", "letter"]),
        ("balance", None, None, ["balance"]),
        (None, "letter", None, ["letter"]),
        (None, None, "DAYS LEFT", ["balance"]),
        (None, None, "%", []),
        ("balance", "letter", None, []),
    ],
)
async def test_the_thread_can_be_searched(
    author: str | None, stage: str | None, text: str | None, found: list[str]
) -> None:
    run = a_context()
    with in_run(run):
        await decide(REQUEST)

    fitting = [message for message in run.memory if messages.fits(message, author, stage, text)]
    assert sorted(message.author for message in fitting) == found


async def test_executed_again_from_the_start_a_run_writes_its_journal_once(
    ledger: Ledger,
) -> None:
    lengths = []
    for number in range(2):
        if number == 0:
            epoch = await a_claimed_run(ledger)
        else:
            await ledger.write(leases.release_lease, RUN, epoch)
            again = await ledger.write(leases.acquire_lease, RUN, "host:2:worker:now", 60)
            assert again is not None
            epoch = again
        record = LedgerRecord(ledger, CheckpointStore(), RUN, epoch)
        with in_run(a_context(record=record)):
            await check(REQUEST) if number == 0 else await resumed(ledger, record)
        lengths.append((await ledger.read(runs.find, RUN)).last_event_id)

    bodies = await ledger.read(journal.read, RUN)
    assert lengths[0] < lengths[1] == len(bodies)
    assert sum('"stage.completed"' in body and '"phase":"check"' in body for body in bodies) == 1


async def resumed(ledger: Ledger, record: LedgerRecord) -> Checked | Letter | None:
    found = await ledger.read(checkpoint_index.locate, RUN)
    assert found is not None
    run = a_context(record=record)
    run.restore(await checkpoints.load(CheckpointStore(), *found))
    with in_run(run):
        return await decide(REQUEST)
