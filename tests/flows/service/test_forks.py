"""What-if: another run's past with one thing changed, and everything checked before it starts."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.contracts.base import canonical_json, sha256_of
from data.contracts.case import CaseFile
from data.contracts.errors import (
    AlreadyDecidedError,
    CheckpointNotFoundError,
    ConflictError,
    ContractViolationError,
)
from data.contracts.events import EventType
from data.contracts.runs import Lineage, RunOptions, RunStatus
from data.contracts.underwriting import Underwriting
from data.settings import settings
from flows.case import case_in_run, with_overrides
from flows.rulebook import current_rulebook
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import applications, decisions, pinned, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import blobs
from flows.service.forks import prepare_fork, require_able_to_go_on, require_unchanged
from flows.workflow import WORKFLOW
from tests.desk import Desk, StartedRun
from tests.flows.inline import persona
from tests.otlp import Receiver


def saved(label: str = "intake", **more: Any) -> Checkpoint:
    plain: dict[str, Any] = {
        "workflow": WORKFLOW.name,
        "workflow_version": WORKFLOW.version,
        "run_id": "parent",
        "label": label,
        "version": 1,
        "ordinal": 1,
        "versions": {},
        "state": Underwriting().model_dump(mode="json"),
        "memory": (),
        "outputs": {},
        "walk": {"frontier": ["start"], "taken": [], "visits": {}},
        "progress": {},
        "fingerprints": {"doc_intake": WORKFLOW.fingerprint("doc_intake")},
    }
    return Checkpoint.model_validate(plain | more)


async def a_parent(ledger: Ledger, *kept: Checkpoint, status: str = "completed") -> runs.Run:
    """A run of Ada Prime in the ledger that has come to an end, with these checkpoints."""
    case = persona("ada-prime").case
    store = CheckpointStore()
    stored = [
        (
            one,
            f"key-{one.ordinal}",
            await store.put(f"key-{one.ordinal}", one.model_dump(mode="json")),
        )
        for one in kept
    ]

    def enter(connection: Any) -> runs.Run:
        applications.accept(connection, "ada-prime", case.inputs_sha256(), canonical_json(case), {})
        runs.register(
            connection, "parent", "application:ada-prime", application_id="ada-prime", status=status
        )
        pinned.pin(connection, "parent", WORKFLOW.version, current_rulebook(settings().data_dir))
        for one, key, receipt in stored:
            checkpoints.index(connection, one, key, receipt)
        return runs.find(connection, "parent")

    return await ledger.write(enter)


async def test_a_fork_names_its_parent_its_place_and_what_differs(ledger: Ledger) -> None:
    parent = await a_parent(ledger, saved())

    fork = await prepare_fork(
        ledger, parent, "intake", {"amount_requested": "12000.00"}, may_decide=False
    )

    assert (fork.parent_run_id, fork.forked_at) == ("parent", "intake/1")
    assert fork.overrides == {"amount_requested": "12000.00"}
    assert not fork.may_decide
    assert fork.pinned == parent.versions["pinned"]


async def test_without_a_checkpoint_a_fork_begins_at_the_start(ledger: Ledger) -> None:
    parent = await a_parent(ledger)

    assert (await prepare_fork(ledger, parent, None, {}, may_decide=False)).forked_at == "start"
    assert (await prepare_fork(ledger, parent, "start", {}, may_decide=False)).place is None


async def test_an_unknown_label_is_refused_and_those_that_there_are_are_named(
    ledger: Ledger,
) -> None:
    parent = await a_parent(ledger, saved())

    with pytest.raises(CheckpointNotFoundError, match=r"no such checkpoint; it has.*intake/1"):
        await prepare_fork(ledger, parent, "offer", {}, may_decide=False)


@pytest.mark.parametrize(
    "name", ["intake/2", "intake/x", "intake/", "/1", "intake/²", "intake/-1", f"intake/{10**30}"]
)
async def test_a_version_that_does_not_exist_is_refused(ledger: Ledger, name: str) -> None:
    parent = await a_parent(ledger, saved())

    with pytest.raises(CheckpointNotFoundError):
        await prepare_fork(ledger, parent, name, {}, may_decide=False)


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
async def test_a_run_that_is_under_way_is_not_forked(ledger: Ledger, status: RunStatus) -> None:
    parent = await a_parent(ledger, saved(), status=status)

    with pytest.raises(ConflictError, match=status.value):
        await prepare_fork(ledger, parent, "intake", {}, may_decide=False)


@pytest.mark.parametrize("status", [RunStatus.WAITING, RunStatus.FAILED, RunStatus.CANCELLED])
async def test_a_run_that_stands_still_may_be_forked(ledger: Ledger, status: RunStatus) -> None:
    parent = await a_parent(ledger, saved(), status=status)

    fork = await prepare_fork(ledger, parent, "intake", {}, may_decide=False)

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
        await prepare_fork(ledger, parent, "intake", overrides, may_decide=False)

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


# -- in time, or too late --------------------------------------------------------------------------

PAST = ("doc_intake", "verification", "bureau", "risk_ensemble", "policy", "pricing", "decision")


def whole_past() -> list[Checkpoint]:
    """A checkpoint after each stage of Ada Prime's way, as a run of hers leaves them."""
    finished = written_checkpoint()
    outputs = {key: value for key, value in finished.outputs.items() if "review" not in key}
    state = finished.state | {"review": None, "rulings": []}
    return [
        saved(
            WORKFLOW.checkpoint_of(stage),
            ordinal=n,
            state=state | dict.fromkeys(PAST[n:], None),
            outputs={f"{one}#1": outputs[f"{one}#1"] for one in PAST[:n]},
            fingerprints={one: WORKFLOW.fingerprint(one) for one in PAST[:n]},
        )
        for n, stage in enumerate(PAST, start=1)
    ]


def written_checkpoint() -> Checkpoint:
    body = json.loads((Path(__file__).parents[1] / "checkpoint_schemas" / "v1.json").read_text())
    return checkpoints.migrate(body)


@pytest.mark.parametrize(
    ("name", "value", "last"),
    [
        ("as_of_date", "2026-12-01", "start"),
        ("fan_out_policy", "fail_fast", "intake"),
        ("amount_requested", "9000.00", "bureau"),
        ("term_months", 48, "bureau"),
        ("prices", "prices", "bureau"),
        ("scorecard", "scorecard-v1", "bureau"),
        ("challenger", "challenger-v1", "bureau"),
        ("policy", "personal-loan", "risk"),
    ],
)
async def test_an_override_counts_before_the_stage_that_reads_it_first_and_not_after(
    ledger: Ledger, name: str, value: Any, last: str
) -> None:
    past = whole_past()
    parent = await a_parent(ledger, *past)
    labels = ["start", *(one.label for one in past)]
    place = labels.index(last)

    in_time = await prepare_fork(ledger, parent, last, {name: value}, may_decide=True)

    assert in_time.overrides == {name: value}
    for label in labels[place + 1 :]:
        with pytest.raises(ContractViolationError) as caught:
            await prepare_fork(ledger, parent, label, {name: value}, may_decide=False)
        (problem,) = caught.value.problems
        assert (problem.pointer, problem.code) == (f"/overrides/{name}", "too_late")
        assert f"fork from '{last}" in problem.message


async def test_a_fork_that_is_to_decide_begins_before_the_decision(ledger: Ledger) -> None:
    parent = await a_parent(ledger, *whole_past())

    with pytest.raises(ContractViolationError, match="fork from 'offer/1'") as caught:
        await prepare_fork(ledger, parent, "decision", {}, may_decide=True)

    assert [problem.pointer for problem in caught.value.problems] == ["/decide"]
    assert (await prepare_fork(ledger, parent, "offer", {}, may_decide=True)).may_decide
    assert not (await prepare_fork(ledger, parent, "decision", {}, may_decide=False)).may_decide


async def test_other_terms_of_affordability_are_read_where_the_budget_is_made(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(settings().data_dir, data_dir)
    shipped = (data_dir / "policy" / "personal-loan.yaml").read_text()
    tighter = shipped.replace("dti_cap: 0.4", "dti_cap: 0.2", 1)
    assert tighter != shipped
    (data_dir / "policy" / "tighter.yaml").write_text(tighter)
    monkeypatch.setenv("CREDIT_DESK_DATA_DIR", str(data_dir))
    settings.cache_clear()
    parent = await a_parent(ledger, *whole_past())

    with pytest.raises(ContractViolationError, match=r"risk_ensemble is finished.*'bureau/1'"):
        await prepare_fork(ledger, parent, "risk", {"policy": "tighter"}, may_decide=False)
    await prepare_fork(ledger, parent, "bureau", {"policy": "tighter"}, may_decide=False)


@pytest.mark.parametrize("change", [{"stopped_by": ["below-legal-age"]}, "incomplete"])
async def test_what_intake_has_settled_at_once_is_only_changed_from_the_start(
    ledger: Ledger, change: Any
) -> None:
    (first, *_) = whole_past()
    intake = first.outputs["doc_intake#1"]
    if change == "incomplete":
        change = {"finding": intake["finding"] | {"completeness": "incomplete"}}
    settled = intake | change
    state = first.state | {"doc_intake": settled}
    parent = await a_parent(
        ledger, first.model_copy(update={"state": state, "outputs": {"doc_intake#1": settled}})
    )
    smaller = {"amount_requested": "9000.00"}

    with pytest.raises(ContractViolationError, match="fork from 'start'"):
        await prepare_fork(ledger, parent, "intake", smaller, may_decide=False)
    await prepare_fork(ledger, parent, "start", smaller, may_decide=False)


# -- forks of forks, and of runs that cannot be gone on from --------------------------------------


async def forked(ledger: Ledger, lineage: Lineage, *kept: Checkpoint) -> runs.Run:
    """A fork that has come to its end, with these checkpoints."""
    store, saved_here = CheckpointStore(), []
    for one in kept:
        mine = one.model_copy(update={"run_id": "fork-1"})
        key = f"fork-key-{one.ordinal}"
        saved_here.append((mine, key, await store.put(key, mine.model_dump(mode="json"))))

    def enter(connection: Any) -> runs.Run:
        runs.register(
            connection,
            *("fork-1", "fork:1"),
            application_id="ada-prime",
            status="completed",
            lineage=lineage.model_dump(mode="json"),
        )
        book = current_rulebook(settings().data_dir)
        pinned.pin(connection, "fork-1", WORKFLOW.version, book, lineage.pinned)
        for mine, key, receipt in saved_here:
            checkpoints.index(connection, mine, key, receipt)
        return runs.find(connection, "fork-1")

    return await ledger.write(enter)


async def test_a_fork_of_a_fork_keeps_what_its_parent_changed(ledger: Ledger) -> None:
    parent = await a_parent(ledger, *whole_past())
    smaller = await prepare_fork(
        ledger, parent, "bureau", {"amount_requested": "9000.00"}, may_decide=False
    )
    fork_1 = await forked(ledger, smaller, *whole_past()[3:])

    longer = await prepare_fork(ledger, fork_1, "start", {"term_months": 48}, may_decide=False)
    again = await prepare_fork(
        ledger, fork_1, "start", {"amount_requested": "8000.00"}, may_decide=False
    )
    later = await prepare_fork(ledger, fork_1, "policy", {}, may_decide=False)

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


async def test_a_run_that_was_cancelled_in_the_queue_can_only_be_begun_anew(
    ledger: Ledger,
) -> None:
    case = persona("ada-prime").case

    def enter(connection: Any) -> runs.Run:
        applications.accept(connection, "ada-prime", case.inputs_sha256(), canonical_json(case), {})
        return runs.register(
            connection, *("r", "application:r"), application_id="ada-prime", status="cancelled"
        )

    parent = await ledger.write(enter)

    anew = await prepare_fork(ledger, parent, "start", {"term_months": 48}, may_decide=False)
    with pytest.raises(CheckpointNotFoundError):
        await prepare_fork(ledger, parent, "intake", {}, may_decide=False)

    assert anew.pinned == sha256_of(current_rulebook(settings().data_dir))


def spoil_the_pin(connection: Any) -> None:
    pins_only = blobs.c.path.startswith("pins/")
    body = zlib.compress(json.dumps({"schema_version": 99}).encode())
    connection.execute(blobs.update().where(pins_only).values(body=body))


async def test_a_run_whose_rulebook_cannot_be_read_is_forked_from_the_start_only(
    ledger: Ledger,
) -> None:
    parent = await a_parent(ledger, saved())
    await ledger.write(spoil_the_pin)

    with pytest.raises(ConflictError, match=r"run: schema 99, desk: schema.*fork from 'start'"):
        await prepare_fork(ledger, parent, "intake", {}, may_decide=False)
    await prepare_fork(ledger, parent, "start", {}, may_decide=False)


# -- before anybody's answer is taken ------------------------------------------------------------


async def test_a_run_with_a_sound_past_may_go_on(ledger: Ledger) -> None:
    await require_able_to_go_on(ledger, await a_parent(ledger, saved(), status="waiting"))


async def test_a_run_whose_rulebook_cannot_be_read_may_not_go_on(ledger: Ledger) -> None:
    run = await a_parent(ledger, saved(), status="waiting")
    await ledger.write(spoil_the_pin)

    with pytest.raises(ConflictError, match="schema 99"):
        await require_able_to_go_on(ledger, run)


async def test_a_run_whose_findings_have_another_form_may_not_go_on(ledger: Ledger) -> None:
    odd = saved(outputs={"doc_intake#1": {"surprise": 1}})

    with pytest.raises(ConflictError, match="another form"):
        await require_able_to_go_on(ledger, await a_parent(ledger, odd, status="waiting"))


async def test_a_run_that_has_lost_its_checkpoint_may_start_over(ledger: Ledger) -> None:
    run = await a_parent(ledger, saved(), status="waiting")
    await ledger.write(lambda c: c.execute(blobs.delete().where(blobs.c.path == "key-1")))

    await require_able_to_go_on(ledger, run)


async def test_a_run_whose_application_a_fork_has_decided_may_not_go_on_and_a_what_if_may(
    ledger: Ledger,
) -> None:
    run = await a_parent(ledger, saved(), status="waiting")
    what_if = await forked(ledger, Lineage(parent_run_id="parent", forked_at="intake/1"))

    def decided_by_another(connection: Any) -> None:
        runs.register(connection, *("f", "fork:f"), application_id="ada-prime")
        decisions.enter(connection, "f", RunOptions())

    await ledger.write(decided_by_another)

    with pytest.raises(AlreadyDecidedError, match="run f"):
        await require_able_to_go_on(ledger, run)
    await require_able_to_go_on(ledger, what_if)


# -- on the real desk ----------------------------------------------------------------------------


async def fork(run: StartedRun, **order: Any) -> StartedRun:
    answer = await run.desk.http.post(f"{run.url}/resume", json=order)
    assert answer.status_code == 202, answer.text
    return StartedRun(run.desk, answer.json()["run_id"], run.application_id)


@pytest.fixture(scope="module")
async def decided(desk: Desk) -> StartedRun:
    """Ada Prime, decided."""
    run = await desk.start("ada-prime")
    await run.decision()
    return run


async def test_a_fork_from_verification_with_another_amount_asks_no_earlier_agent_again(
    desk: Desk, decided: StartedRun
) -> None:
    other = await fork(
        decided, checkpoint="verification", overrides={"amount_requested": "9000.00"}
    )
    events = await other.events()

    began = [event.phase for event in events if event.type is EventType.STAGE_STARTED]
    assert began == ["bureau", "risk_ensemble", "policy", "pricing", "decision"]
    asked = {event.phase for event in events if event.type is EventType.AGENT_STARTED}
    assert not asked & {"doc_intake", "verification"}
    assert events[0].type is EventType.RUN_STARTED
    assert events[0].meta == {"parent_run_id": decided.run_id, "forked_at": "verification/1"}
    summary = await other.summary()
    assert summary.lineage is not None
    assert summary.lineage.parent_run_id == decided.run_id
    assert summary.status is RunStatus.COMPLETED

    told = await desk.http.get(
        f"{decided.url}/diff", params={"from": "decision", "to": "decision", "other": other.run_id}
    )
    diff = told.raise_for_status().json()
    assert "amount_requested = 9000.00" in diff["summary"]
    paths = {change["path"]: change for change in diff["changes"]}
    amount = paths["/decision/requested/amount"]
    assert (amount["before"], amount["after"]) == ("10000.00", "9000.00")
    assert any(path.startswith("/risk_ensemble") for path in paths)
    assert not any(path.startswith(("/doc_intake", "/verification")) for path in paths)

    said = (await desk.http.get(f"{other.url}/memory")).raise_for_status().json()
    parents = (await desk.http.get(f"{decided.url}/memory")).raise_for_status().json()
    shared = [one for one in parents if one["stage"] in {"doc_intake", "verification"}]
    assert said[: len(shared)] == shared
    assert [one["n"] for one in said] == list(range(1, len(said) + 1))


async def test_a_fork_s_trace_holds_no_earlier_agent_and_a_link_to_its_parent_s(
    desk: Desk, otlp: Receiver, decided: StartedRun
) -> None:
    other = await fork(decided, checkpoint="verification")
    await other.events()
    trace_id, parents = (await other.summary()).trace_id, (await decided.summary()).trace_id

    await asyncio.to_thread(otlp.wait_for, trace_id, f"underwrite {decided.application_id}")
    request = await asyncio.to_thread(otlp.wait_for, trace_id, "POST /runs/{run_id}/resume")

    agents = {one.name for one in otlp.trace(trace_id) if one.name.startswith("invoke_agent ")}
    assert agents >= {"invoke_agent credit_risk.scorecard", "invoke_agent underwriter.decision"}
    assert not agents & {
        f"invoke_agent {name}" for name in ("doc_intake", "kyc", "fraud", "income")
    }
    assert request.links == (parents,)
    assert trace_id != parents


async def test_a_fork_of_a_fork_decides_on_what_both_have_changed(decided: StartedRun) -> None:
    smaller = await fork(
        decided, checkpoint="verification", overrides={"amount_requested": "9000.00"}
    )
    await smaller.events()

    longer = await fork(smaller, checkpoint="bureau", overrides={"term_months": 48})
    await longer.events()

    state = (await decided.desk.http.get(f"{longer.url}/state")).raise_for_status().json()
    requested = state["state"]["decision"]["requested"]
    assert (requested["amount"], requested["term_months"]) == ("9000.00", 48)
    told = await decided.desk.http.get(
        f"{smaller.url}/diff",
        params={"from": "decision", "to": "decision", "other": longer.run_id},
    )
    assert "caused by term_months = 48," in told.raise_for_status().json()["summary"]


async def test_a_what_if_decides_nothing(desk: Desk, decided: StartedRun) -> None:
    other = await fork(decided, checkpoint="policy")
    await other.events()

    answer = await desk.http.get(f"{other.url}/decision")

    assert answer.status_code == 404
    assert (await decided.summary()).decision is not None
    assert await memos(desk, decided.run_id) == ["decision-memo"]
    assert await memos(desk, other.run_id) == ["what-if-memo"]


async def memos(desk: Desk, run_id: str) -> list[str]:
    """The keys of what a run has published in Prefect."""
    mine = {"artifacts": {"flow_run_id": {"any_": [run_id]}}}
    async with httpx.AsyncClient(base_url=f"{desk.prefect_url}/api") as client:
        answer = await client.post("/artifacts/filter", json=mine)
    return [one["key"] for one in answer.raise_for_status().json()]


async def test_a_what_if_ends_where_a_person_would_be_asked(desk: Desk) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    assert (await run.summary()).status is RunStatus.WAITING

    other = await fork(run, checkpoint="verification")
    last = (await other.events())[-1]

    assert last.type is EventType.RUN_COMPLETED
    assert last.meta == {"ended_at": "underwriter"}
    assert (await run.summary()).status is RunStatus.WAITING
    assert (await desk.http.get(f"{other.url}/hitl")).status_code in {404, 409}


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"checkpoint": "no-such-label"}, 404),
        ({"checkpoint": "verification/9"}, 404),
        ({"checkpoint": "verification", "overrides": {"amount_requested": "-1"}}, 422),
        ({"checkpoint": "verification", "overrides": {"colour": "blue"}}, 422),
        ({"checkpoint": "offer", "overrides": {"amount_requested": "9000.00"}}, 422),
        ({"checkpoint": "verification", "decide": True}, 409),
        ({"decide": True}, 422),
        ({}, 409),
    ],
)
async def test_what_cannot_be_resumed_is_refused_with_the_reason(
    decided: StartedRun, order: dict[str, Any], status: int
) -> None:
    before = await decided.events()

    answer = await decided.desk.http.post(f"{decided.url}/resume", json=order)

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert await decided.events() == before


async def test_a_foreign_run_is_not_found(decided: StartedRun) -> None:
    answer = await decided.desk.http.post(
        "/runs/00000000-0000-4000-8000-000000000000/resume", json={"checkpoint": "verification"}
    )

    assert answer.status_code == 404


async def test_an_undecided_application_may_be_decided_by_a_fork(desk: Desk) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)

    smaller = await fork(
        run, checkpoint="verification", overrides={"amount_requested": "3000.00"}, decide=True
    )
    event = await smaller.until(EventType.WAITING)
    await smaller.answer(decision="approve")
    decision = await smaller.decision()

    assert event.meta["gate"] == "underwriter"
    assert decision.requested.amount == Decimal("3000.00")
    again = await desk.http.post(
        f"{run.url}/resume", json={"checkpoint": "verification", "decide": True}
    )
    late = await run.answer(decision="decline", reason_code="R09")
    resumed = await desk.http.post(f"{run.url}/resume", json={})
    for refused in (again, late, resumed):
        assert (refused.status_code, refused.json()["code"]) == (409, "already_decided")

    await answer_in_prefect(run, decision="approve", reviewer="underwriter-1", reason="seen")
    assert (await run.events())[-1].type is EventType.RUN_FAILED
    ended = await run.summary()
    assert ended.error is not None
    assert ended.error.code == "already_decided"
    assert smaller.run_id in ended.error.message
    assert ended.decision == {"recommendation": "refer"}
    assert (await desk.http.get(f"{run.url}/decision")).status_code == 404


async def answer_in_prefect(run: StartedRun, **fields: str) -> None:
    """Fill in the form in the Prefect UI, past the desk's own checks."""
    async with httpx.AsyncClient(base_url=f"{run.desk.prefect_url}/api") as client:
        answer = await client.post(f"/flow_runs/{run.run_id}/resume", json={"run_input": fields})
    assert answer.json()["status"] == "ACCEPT", answer.text


Spoil = Callable[[Desk, str], None]


def redraw_the_map(desk: Desk, run_id: str) -> None:
    """Make a run's last checkpoint one of an older map, in which policy meant something else."""

    def older(saved: dict[str, Any]) -> None:
        saved["workflow_version"] = "0"
        saved["fingerprints"]["policy"] = "0" * 64

    rewrite_the_last_checkpoint(desk, run_id, older)


def rename_a_finding(desk: Desk, run_id: str) -> None:
    """Make a run's last checkpoint one of an older desk, whose policy had other findings."""

    def older(saved: dict[str, Any]) -> None:
        saved["workflow_version"] = "0"
        saved["outputs"]["policy#1"]["verdict"] = "refer"

    rewrite_the_last_checkpoint(desk, run_id, older)


def forget_the_rules(desk: Desk, run_id: str) -> None:
    """Let a run have pinned what no desk can read any more."""
    with closing(sqlite3.connect(desk.home / "ledger.db", timeout=30)) as connection:
        body = zlib.compress(json.dumps({"schema_version": 0, "run": run_id}).encode())
        pin = {"pinned": f"of-{run_id}"}
        connection.execute(
            "insert into blobs (path, body, written_at) values (?, ?, '')",
            (f"pins/{pin['pinned']}", body),
        )
        connection.execute(
            "update runs set versions = ? where run_id = ?", (json.dumps(pin), run_id)
        )
        connection.commit()


@pytest.mark.parametrize(
    ("spoil", "version"),
    [(redraw_the_map, "0"), (rename_a_finding, "0"), (forget_the_rules, "schema 0")],
)
async def test_a_waiting_run_that_can_no_longer_go_on_is_not_stranded(
    desk: Desk, spoil: Spoil, version: str
) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    await run.until(RunStatus.WAITING)
    spoil(desk, run.run_id)

    refused = await run.answer(decision="approve")

    assert refused.status_code == 409, refused.text
    said = refused.json()["detail"]
    assert version in said
    assert "fork from" in said
    assert (await run.summary()).status is RunStatus.WAITING
    other = await fork(run, checkpoint="start")
    assert (await other.events())[-1].meta == {"ended_at": "underwriter"}

    # Who answers in Prefect is not asked before: the run ends, and says why at once.
    await answer_in_prefect(run, decision="approve", reviewer="underwriter-1", reason="seen")
    error, end = (await run.events())[-2:]
    assert (error.type, end.type) == (EventType.ERROR, EventType.RUN_FAILED)
    assert end.meta["code"] == "conflict"
    assert version in end.meta["message"]
    again = await desk.http.post(f"{run.url}/resume", json={})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def rewrite_the_last_checkpoint(
    desk: Desk, run_id: str, change: Callable[[dict[str, Any]], None]
) -> None:
    """Change what a run goes on from, and its digest with it."""
    with closing(sqlite3.connect(desk.home / "ledger.db", timeout=30)) as connection:
        key, body = connection.execute(
            "select b.path, b.body from checkpoints c join blobs b on b.path = c.storage_key "
            "where c.run_id = ? order by c.ordinal desc limit 1",
            (run_id,),
        ).fetchone()
        record = json.loads(zlib.decompress(body))
        saved = json.loads(record["result"])
        change(saved)
        record["result"] = json.dumps(saved)
        content = json.dumps(record).encode()
        connection.execute(
            "update blobs set body = ? where path = ?", (zlib.compress(content), key)
        )
        connection.execute(
            "update checkpoints set sha256 = ? where storage_key = ?",
            (hashlib.sha256(content).hexdigest(), key),
        )
        connection.commit()
