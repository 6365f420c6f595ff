"""A stage: entered only along an edge, held to its contracts, and never done twice."""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.errors import (
    ContractViolationError,
    InvalidTransitionError,
    RecordNotFoundError,
    WorkflowError,
)
from data.contracts.events import EventType
from flows.runtime.execution.context import RunContext, current_run, in_run
from flows.runtime.execution.recorder import MemoryRecord
from flows.runtime.execution.stage import stage
from tests.flows.runtime.vacation_parts import a_context
from tests.flows.runtime.vacation_workflow import (
    LEAVE,
    Checked,
    Leave,
    LeaveRequest,
    Letter,
    check,
    write_letter,
)

REQUEST = LeaveRequest(days=3)
CHECKED = Checked(days=3, days_left=27, colleague="Max")


def drafts_of(run: RunContext[Leave]) -> list[tuple[EventType, str]]:
    assert isinstance(run.record, MemoryRecord)
    return [(draft.type, draft.key) for draft in run.record.drafts]


async def test_a_stage_gives_what_it_found_and_changes_the_state() -> None:
    run = a_context()
    with in_run(run):
        found = await check(REQUEST)

    assert found == CHECKED
    assert run.state.check == CHECKED
    assert run.phase == "check"
    assert run.progress.overall == 0.6


async def test_a_stage_is_told_from_its_start_to_its_checkpoint() -> None:
    run = a_context()
    with in_run(run):
        await check(REQUEST)

    kinds = [kind for kind, _ in drafts_of(run)]
    assert kinds[0] is EventType.STAGE_STARTED
    assert kinds[-3:] == [
        EventType.STATE_UPDATED,
        EventType.CHECKPOINT_SAVED,
        EventType.STAGE_COMPLETED,
    ]


async def test_the_end_of_a_stage_is_one_transaction() -> None:
    run = a_context()
    with in_run(run):
        await check(REQUEST)

    assert isinstance(run.record, MemoryRecord)
    last = run.record.entries[-1]
    assert [draft.type for draft in last.drafts] == [
        EventType.STATE_UPDATED,
        EventType.CHECKPOINT_SAVED,
        EventType.STAGE_COMPLETED,
    ]
    assert last.checkpoint is not None
    assert (last.checkpoint.label, last.checkpoint.version) == ("checked", 1)
    assert last.checkpoint.outputs == {"check#1": CHECKED.model_dump(mode="json")}
    assert {message.author for message in last.messages} == {"balance", "cover"}
    assert last.changes["phase"] == "check"


async def test_a_stage_that_no_edge_leads_to_is_refused() -> None:
    run = a_context()
    with in_run(run), pytest.raises(InvalidTransitionError) as caught:
        await write_letter(CHECKED)

    assert "from 'start' to 'letter'" in caught.value.message
    assert caught.value.stage == "letter"
    assert drafts_of(run) == []


async def test_an_edge_whose_condition_is_false_leads_nowhere() -> None:
    run = a_context()
    with in_run(run):
        long = await check(LeaveRequest(days=9))
        with pytest.raises(InvalidTransitionError):
            await write_letter(long)


async def test_a_stage_without_the_input_that_the_map_requires_is_refused() -> None:
    run = a_context()
    with in_run(run), pytest.raises(ContractViolationError) as caught:
        await check(CHECKED)  # type: ignore[arg-type]

    assert caught.value.message == "was entered without a LeaveRequest"
    assert caught.value.stage == "check"


async def test_an_output_of_another_type_is_refused_and_not_saved() -> None:
    @stage("check")
    async def careless(request: LeaveRequest) -> Any:
        return Letter(granted=True)

    run = a_context()
    with in_run(run), pytest.raises(ContractViolationError) as caught:
        await careless(REQUEST)

    assert caught.value.message == "returned a Letter, not a Checked"
    assert run.state.check is None
    assert EventType.CHECKPOINT_SAVED not in [kind for kind, _ in drafts_of(run)]


async def test_a_failure_inside_names_the_stage_and_repeats_no_value() -> None:
    @stage("check")
    async def failing(request: LeaveRequest) -> Checked:
        raise ValueError("516-24-3907")

    with in_run(a_context()), pytest.raises(WorkflowError) as caught:
        await failing(REQUEST)

    assert caught.value.stage == "check"
    assert "ValueError at test_stage.py" in caught.value.message
    assert "516-24-3907" not in str(caught.value)


async def test_a_finished_stage_is_handed_back_without_being_executed() -> None:
    calls: list[LeaveRequest] = []

    @stage("check")
    async def counted(request: LeaveRequest) -> Checked:
        calls.append(request)
        return CHECKED

    run = a_context()
    run.outputs["check#1"] = CHECKED.model_dump(mode="json")
    with in_run(run):
        found = await counted(REQUEST)

    assert found == CHECKED
    assert calls == []
    assert drafts_of(run) == []


async def test_a_stage_that_the_map_does_not_know_is_refused() -> None:
    @stage("party")
    async def party(request: LeaveRequest) -> Checked:
        return CHECKED

    with in_run(a_context()), pytest.raises(RecordNotFoundError, match="'party'"):
        await party(REQUEST)


async def test_a_stage_outside_of_a_run_is_refused() -> None:
    with pytest.raises(WorkflowError, match="not executed as part of a run"):
        await check(REQUEST)


async def test_what_can_no_longer_be_reached_is_skipped_and_credited() -> None:
    run = a_context()
    with in_run(run):
        await write_letter(await check(REQUEST))

    assert (EventType.STAGE_SKIPPED, "skipped/approval") in drafts_of(run)
    assert run.progress.overall == 1.0


async def test_another_execution_tells_the_same_keys() -> None:
    told = []
    for _ in range(2):
        run = a_context()
        with in_run(run):
            await write_letter(await check(REQUEST))
        told.append([key for _, key in drafts_of(run)])

    assert sorted(told[0]) == sorted(told[1])
    assert len(set(told[0])) == len(told[0])


async def test_a_stage_keeps_the_name_and_the_words_of_its_body() -> None:
    assert check.__name__ == "check"
    assert write_letter.__module__ == "tests.flows.runtime.vacation_workflow"


async def test_the_current_run_is_the_one_around_the_stage() -> None:
    run = a_context()
    with in_run(run):
        assert current_run() is run
    assert run.workflow is LEAVE
