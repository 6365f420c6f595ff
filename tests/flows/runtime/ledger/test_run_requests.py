"""Run requests: a run is entered before Prefect hears of it, and carried out by one flow run."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from data.contracts.errors import ConflictError, RecordNotFoundError
from data.contracts.review import Person
from data.contracts.runs import Lineage, RunOptions, RunStatus
from data.settings import FanOutPolicy
from flows.runtime.checkpoints.retention import RetentionPolicy, purge
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import applications, run_requests, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.ledger.runs import Run

QUICKLY = RunOptions(fan_out_policy=FanOutPolicy.FAIL_FAST)
INA = Person(name="Ina", principal="i-1")
SVEN = Person(name="Sven")
UNA = Person(name="Una")
REQUEST = RunRequest(options=QUICKLY, submitted_by=INA, traceparent="00-trace")


async def submitted(
    ledger: Ledger, application_id: str = "app-1", request: RunRequest = REQUEST
) -> Run:
    """The run of an application that was accepted."""
    run, _ = await ledger.write(run_requests.submit, application_id, "a" * 64, b"{}", request)
    return run


async def forked(
    ledger: Ledger, parent: Run, by: Person = SVEN, key: str = "", forked_at: str = "intake/1"
) -> tuple[Run, bool]:
    """A fork of a run, and whether this request entered it."""
    lineage = Lineage(parent_run_id=parent.run_id, forked_at=forked_at, may_decide=True)
    request = RunRequest(submitted_by=by)
    return await ledger.write(run_requests.fork, parent, lineage, request, key)


async def test_a_request_files_the_application_and_enters_its_run_as_it_was_asked_for(
    any_ledger: Ledger,
) -> None:
    run, is_new = await any_ledger.write(
        run_requests.submit, "app-1", "a" * 64, b'{"a": 1}', REQUEST
    )

    assert is_new
    assert (await any_ledger.read(applications.filed, "app-1")).body == b'{"a": 1}'
    assert run == await any_ledger.read(runs.find, run.run_id)
    assert str(UUID(run.run_id)) == run.run_id
    assert (run.status, run.flow_run_id) == (RunStatus.QUEUED, "")
    assert (run.application_id, run.submitted_by, run.traceparent) == ("app-1", "Ina", "00-trace")
    assert (run.options, run.lineage) == (QUICKLY.model_dump(mode="json"), None)


async def test_many_requests_for_one_application_are_one_run_and_one_of_them_entered_it(
    any_ledger: Ledger,
) -> None:
    entered = await asyncio.gather(
        *(
            any_ledger.write(run_requests.submit, "app-1", "a" * 64, b"{}", REQUEST)
            for _ in range(20)
        )
    )

    assert len({run.run_id for run, _ in entered}) == 1
    assert sorted(is_new for _, is_new in entered) == [False] * 19 + [True]


async def test_a_repeated_request_changes_nothing_of_the_run(any_ledger: Ledger) -> None:
    first = await submitted(any_ledger)

    again = await submitted(any_ledger, request=RunRequest(submitted_by=Person(name="Otto")))

    assert again == first


async def test_another_content_under_the_same_id_enters_no_run(any_ledger: Ledger) -> None:
    first = await submitted(any_ledger)

    with pytest.raises(ConflictError, match="another application is filed under app-1"):
        await any_ledger.write(run_requests.submit, "app-1", "b" * 64, b"[]", REQUEST)

    assert [run.run_id for run in await any_ledger.read(runs.queued)] == [first.run_id]
    assert (await any_ledger.read(applications.filed, "app-1")).body == b"{}"


# -- forks -----------------------------------------------------------------------------------------


async def test_a_fork_is_entered_with_all_that_was_asked_for(any_ledger: Ledger) -> None:
    parent = await submitted(any_ledger)

    run, is_new = await forked(any_ledger, parent)

    assert is_new
    assert run.run_id != parent.run_id
    assert (run.application_id, run.submitted_by) == ("app-1", "Sven")
    assert run.lineage is not None
    assert Lineage.model_validate(run.lineage).place == ("intake", 1)
    assert run.lineage["parent_run_id"] == parent.run_id


async def test_two_forks_that_are_asked_for_alike_are_two_runs(any_ledger: Ledger) -> None:
    parent = await submitted(any_ledger)

    (first, _), (second, is_new) = [await forked(any_ledger, parent) for _ in range(2)]

    assert first.run_id != second.run_id
    assert is_new


async def test_a_fork_that_is_asked_for_again_under_its_key_is_the_same_run(
    any_ledger: Ledger,
) -> None:
    parent = await submitted(any_ledger)

    entered = await asyncio.gather(*(forked(any_ledger, parent, key="k") for _ in range(10)))

    assert len({run.run_id for run, _ in entered}) == 1
    assert sorted(is_new for _, is_new in entered) == [False] * 9 + [True]


async def test_a_key_is_not_for_another_fork_of_the_same_run(any_ledger: Ledger) -> None:
    parent = await submitted(any_ledger)
    await forked(any_ledger, parent, key="k")

    with pytest.raises(ConflictError, match="used for another fork"):
        await forked(any_ledger, parent, key="k", forked_at="start")


async def test_the_same_key_may_be_used_for_forks_of_two_runs(any_ledger: Ledger) -> None:
    parents = [await submitted(any_ledger, f"app-{n}") for n in (1, 2)]

    (first, _), (second, _) = [await forked(any_ledger, parent, key="k") for parent in parents]

    assert (first.application_id, second.application_id) == ("app-1", "app-2")


# -- the flow run that carries out a run -----------------------------------------------------------


async def test_a_flow_run_carries_out_the_run_that_it_is_mapped_to(any_ledger: Ledger) -> None:
    run, other = await submitted(any_ledger), await submitted(any_ledger, "app-2")
    await any_ledger.write(runs.map_to_flow_run, run.run_id, "flow-1", seen="")

    for given in (run.run_id, "", "no-such-run", other.run_id):
        found = await any_ledger.write(run_requests.of_flow_run, "flow-1", given)
        assert found.run_id == run.run_id


async def test_a_flow_run_whose_maker_died_too_soon_is_mapped_when_it_is_taken(
    any_ledger: Ledger,
) -> None:
    run = await submitted(any_ledger)

    found = await any_ledger.write(run_requests.of_flow_run, "flow-1", run.run_id)

    assert (found.run_id, found.flow_run_id) == (run.run_id, "flow-1")
    assert (await any_ledger.read(runs.find, run.run_id)).flow_run_id == "flow-1"


@pytest.mark.parametrize("given", ["", "app-1", "no-such-run"])
async def test_a_flow_run_that_no_run_asked_for_is_refused(any_ledger: Ledger, given: str) -> None:
    run = await submitted(any_ledger)

    with pytest.raises(RecordNotFoundError, match="no run of the desk asked for this flow run"):
        await any_ledger.write(run_requests.of_flow_run, "flow-1", given)

    assert (await any_ledger.read(runs.find, run.run_id)).flow_run_id == ""


async def test_a_second_flow_run_of_a_run_is_refused_and_the_mapping_stays(
    any_ledger: Ledger,
) -> None:
    run = await submitted(any_ledger)
    await any_ledger.write(run_requests.of_flow_run, "flow-1", run.run_id)

    with pytest.raises(ConflictError, match="is carried out by another flow run"):
        await any_ledger.write(run_requests.of_flow_run, "flow-2", run.run_id)

    assert (await any_ledger.read(runs.find, run.run_id)).flow_run_id == "flow-1"


# -- who asked -------------------------------------------------------------------------------------


async def test_a_fork_of_a_fork_was_asked_for_by_three(any_ledger: Ledger) -> None:
    parent = await submitted(any_ledger)
    first, _ = await forked(any_ledger, parent, by=SVEN)
    second, _ = await forked(any_ledger, first, by=UNA)

    assert set(await any_ledger.read(run_requests.submitters, second)) == {
        INA,
        SVEN,
        UNA,
    }


async def test_a_person_who_asked_twice_is_named_once(any_ledger: Ledger) -> None:
    fork, _ = await forked(any_ledger, await submitted(any_ledger), by=INA)

    assert await any_ledger.read(run_requests.submitters, fork) == (INA,)


async def test_a_run_without_a_known_submitter_has_none(any_ledger: Ledger) -> None:
    run = await submitted(any_ledger, request=RunRequest())

    assert await any_ledger.read(run_requests.submitters, run) == ()


async def test_housekeeping_leaves_a_request_that_is_not_carried_out_yet(ledger: Ledger) -> None:
    parent = await submitted(ledger)
    fork, _ = await forked(ledger, parent)

    await purge(ledger, CheckpointStore(), RetentionPolicy(timedelta(0), 1), dry_run=False)

    for run in (parent, fork):
        assert await ledger.write(run_requests.of_flow_run, f"of-{run.run_id}", run.run_id)
    assert (await ledger.read(applications.filed, "app-1")).body == b"{}"
