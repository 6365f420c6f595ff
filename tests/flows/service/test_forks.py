"""A fork: the desk checks everything that it needs before it starts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from data.contracts.base import canonical_json, sha256_of
from data.contracts.case import CaseFile
from data.contracts.errors import (
    AlreadyDecidedError,
    CheckpointNotFoundError,
    ConflictError,
    ContractViolationError,
)
from data.contracts.review import Channel, Role
from data.contracts.runs import RunOptions, RunStatus
from data.settings import settings
from flows.case import case_in_run, with_overrides
from flows.rulebook import current_rulebook
from flows.runtime.ledger import applications, decisions, runs
from flows.runtime.ledger.database import Ledger
from flows.service.forks import fork, prepare_fork, require_unchanged
from flows.service.requests import Caller, ResumeRun
from flows.workflow import WORKFLOW
from tests.flows.inline import persona
from tests.flows.service.fork_parents import a_parent, forked, saved, spoil_the_pin, whole_past

SENIOR = Caller(name="Sena", roles=(Role.SENIOR_UNDERWRITER,), proven=True, channel=Channel.HTTP)


async def test_a_fork_names_its_parent_its_place_and_what_differs(ledger: Ledger) -> None:
    parent = await a_parent(ledger, saved())

    fork = await prepare_fork(
        ledger, settings(), parent, "intake", {"amount_requested": "12000.00"}, may_decide=False
    )

    assert (fork.parent_run_id, fork.forked_at) == ("parent", "intake/1")
    assert fork.overrides == {"amount_requested": "12000.00"}
    assert not fork.may_decide
    assert fork.pinned == parent.versions["pinned"]


async def test_without_a_checkpoint_a_fork_begins_at_the_start(ledger: Ledger) -> None:
    parent = await a_parent(ledger)

    assert (
        await prepare_fork(ledger, settings(), parent, None, {}, may_decide=False)
    ).forked_at == "start"
    assert (
        await prepare_fork(ledger, settings(), parent, "start", {}, may_decide=False)
    ).place is None


async def test_an_unknown_label_is_refused_and_those_that_there_are_are_named(
    ledger: Ledger,
) -> None:
    parent = await a_parent(ledger, saved())

    with pytest.raises(CheckpointNotFoundError, match=r"no such checkpoint; it has.*intake/1"):
        await prepare_fork(ledger, settings(), parent, "offer", {}, may_decide=False)


@pytest.mark.parametrize(
    "name",
    [
        "intake/2",
        "intake/x",
        "intake/",
        "/1",
        "intake/²",
        "intake/１",
        "intake/-1",
        f"intake/{10**30}",
    ],
)
async def test_a_version_that_does_not_exist_is_refused(ledger: Ledger, name: str) -> None:
    parent = await a_parent(ledger, saved())

    with pytest.raises(CheckpointNotFoundError):
        await prepare_fork(ledger, settings(), parent, name, {}, may_decide=False)


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
async def test_a_run_that_is_under_way_is_not_forked(ledger: Ledger, status: RunStatus) -> None:
    parent = await a_parent(ledger, saved(), status=status)

    with pytest.raises(ConflictError, match=status.value):
        await prepare_fork(ledger, settings(), parent, "intake", {}, may_decide=False)


@pytest.mark.parametrize("status", [RunStatus.WAITING, RunStatus.FAILED, RunStatus.CANCELLED])
async def test_a_run_that_stands_still_may_be_forked(ledger: Ledger, status: RunStatus) -> None:
    parent = await a_parent(ledger, saved(), status=status)

    fork = await prepare_fork(ledger, settings(), parent, "intake", {}, may_decide=False)

    assert fork.forked_at == "intake/1"


@pytest.mark.parametrize(
    ("overrides", "pointer"),
    [
        ({"amount_requested": "-5"}, "/overrides/amount_requested"),
        ({"amount_requested": "much"}, "/overrides/amount_requested"),
        ({"term_months": "48"}, "/overrides/term_months"),
        ({"fan_out_policy": "never"}, "/overrides/fan_out_policy"),
        ({"as_of_date": "tomorrow"}, "/overrides/as_of_date"),
        ({"as_of_date": "2020-01-01"}, "/overrides/as_of_date"),
        ({"policy": "no-such-pack"}, "/overrides/policy"),
        ({"scorecard": "no-such-card"}, "/overrides/scorecard"),
        ({"policy": "../secret"}, "/overrides/policy"),
        ({"outcome": "approve"}, "/overrides/outcome"),
    ],
)
async def test_an_override_that_cannot_be_is_refused_by_name_before_anything_starts(
    ledger: Ledger, overrides: dict[str, Any], pointer: str
) -> None:
    parent = await a_parent(ledger, saved())

    with pytest.raises(ContractViolationError) as caught:
        await prepare_fork(ledger, settings(), parent, "intake", overrides, may_decide=False)

    assert [problem.pointer for problem in caught.value.problems] == [pointer]


def test_overrides_change_the_input_and_nothing_else() -> None:
    case = persona("ada-prime").case

    changed = with_overrides(case, {"amount_requested": "12000.00", "policy": "strict"})

    assert changed.application.amount_requested == Decimal("12000.00")
    assert changed.documents == case.documents
    assert with_overrides(case, {"policy": "strict"}) == case
    assert isinstance(changed, CaseFile)


def test_a_changed_map_is_refused_with_both_versions_and_the_offer_of_a_fork() -> None:
    old = saved(workflow_version="0", fingerprints={"doc_intake": "a" * 64})

    with pytest.raises(ConflictError) as caught:
        require_unchanged(old)

    said = caught.value.message
    assert "version 0" in said
    assert f"version {WORKFLOW.version}" in said
    assert "doc_intake" in said
    assert "fork from an earlier checkpoint" in said


def test_a_stage_that_the_map_has_lost_is_a_change() -> None:
    with pytest.raises(ConflictError, match="appraisal"):
        require_unchanged(saved(fingerprints={"appraisal": "a" * 64}))


def test_another_version_of_the_map_with_the_same_finished_stages_is_none() -> None:
    require_unchanged(saved(workflow_version="0"))


def test_an_output_that_no_longer_fits_its_contract_is_refused_by_name_and_versions() -> None:
    old = saved(workflow_version="0", outputs={"doc_intake#1": {"surprise": 1}})

    with pytest.raises(ConflictError) as caught:
        require_unchanged(old)

    said = caught.value.message
    assert "outputs/doc_intake#1 has another form" in said
    assert f"run: version 0, desk: version {WORKFLOW.version}" in said
    assert "fork from an earlier checkpoint" in said


async def test_a_fork_of_a_fork_keeps_what_its_parent_changed(ledger: Ledger) -> None:
    parent = await a_parent(ledger, *whole_past())
    smaller = await prepare_fork(
        ledger, settings(), parent, "bureau", {"amount_requested": "9000.00"}, may_decide=False
    )
    fork_1 = await forked(ledger, smaller, *whole_past()[3:])

    longer = await prepare_fork(
        ledger, settings(), fork_1, "start", {"term_months": 48}, may_decide=False
    )
    again = await prepare_fork(
        ledger, settings(), fork_1, "start", {"amount_requested": "8000.00"}, may_decide=False
    )
    later = await prepare_fork(ledger, settings(), fork_1, "policy", {}, may_decide=False)

    assert longer.overrides == {"amount_requested": "9000.00", "term_months": 48}
    assert again.overrides == {"amount_requested": "8000.00"}
    assert later.overrides == {"amount_requested": "9000.00"}


def test_a_fork_s_day_counts_before_its_parent_s() -> None:
    filed = applications.Filed(canonical_json(persona("ada-prime").case))
    options = RunOptions(as_of_date=date(2026, 12, 1))

    as_asked = case_in_run(filed, options, {})
    changed = case_in_run(filed, options, {"as_of_date": "2026-12-05"})

    assert as_asked.application.as_of_date == date(2026, 12, 1)
    assert changed.application.as_of_date == date(2026, 12, 5)


async def test_a_run_that_was_cancelled_in_the_queue_can_only_be_forked_from_the_start(
    ledger: Ledger,
) -> None:
    case = persona("ada-prime").case

    def enter(connection: Any) -> runs.Run:
        applications.accept(connection, "ada-prime", case.inputs_sha256(), canonical_json(case))
        return runs.register(
            connection, *("r", "application:r"), application_id="ada-prime", status="cancelled"
        )

    parent = await ledger.write(enter)

    fork = await prepare_fork(
        ledger, settings(), parent, "start", {"term_months": 48}, may_decide=False
    )
    with pytest.raises(CheckpointNotFoundError):
        await prepare_fork(ledger, settings(), parent, "intake", {}, may_decide=False)

    assert fork.pinned == sha256_of(current_rulebook(settings().data_dir))


async def test_a_fork_that_decides_is_the_same_by_its_key_also_after_the_decision(
    ledger: Ledger,
) -> None:
    parent = await a_parent(ledger, saved())
    request = ResumeRun(checkpoint="intake", decide=True)
    entered, was_new = await fork(ledger, settings(), parent, request, SENIOR, "once")
    await ledger.write(decisions.enter, entered.run_id, RunOptions())

    again, is_new = await fork(ledger, settings(), parent, request, SENIOR, "once")
    with pytest.raises(AlreadyDecidedError):
        await fork(ledger, settings(), parent, request, SENIOR, "another")

    assert (was_new, is_new) == (True, False)
    assert again.run_id == entered.run_id
    with ledger.reading() as connection:
        known = runs.page(connection, limit=10, before=None, status=None, application_id=None)
    assert {run.run_id for run in known} == {"parent", entered.run_id}


async def test_a_run_whose_rulebook_cannot_be_read_is_forked_from_the_start_only(
    ledger: Ledger,
) -> None:
    parent = await ledger.write(spoil_the_pin, await a_parent(ledger, saved()))

    with pytest.raises(ConflictError, match=r"run: schema 99, desk: schema.*fork from 'start'"):
        await prepare_fork(ledger, settings(), parent, "intake", {}, may_decide=False)
    await prepare_fork(ledger, settings(), parent, "start", {}, may_decide=False)
