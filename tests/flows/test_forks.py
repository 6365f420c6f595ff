"""What-if: another run's past with one thing changed, and everything checked before it starts."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    ConflictError,
    ContractViolationError,
)
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.contracts.underwriting import Underwriting
from data.settings import settings
from flows.forks import prepare_fork, require_unchanged, with_overrides
from flows.runtime import checkpoints, runs
from flows.runtime.checkpoints import Checkpoint
from flows.runtime.ledger import Ledger
from flows.runtime.storage import LedgerStorage, Shelf
from flows.staff import current_rulebook
from flows.workflow import WORKFLOW
from tests.desk import Desk, StartedRun
from tests.flows.inline import persona


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
    shelf = Shelf(LedgerStorage())
    stored = [
        (
            one,
            f"key-{one.ordinal}",
            await shelf.put(f"key-{one.ordinal}", one.model_dump(mode="json")),
        )
        for one in kept
    ]

    def enter(connection: Any) -> runs.Run:
        runs.accept(connection, "ada-prime", case.inputs_sha256(), canonical_json(case), {})
        runs.register(
            connection, "parent", "application:ada-prime", application_id="ada-prime", status=status
        )
        runs.pin(connection, "parent", WORKFLOW.version, current_rulebook(settings().data_dir))
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


@pytest.mark.parametrize("name", ["intake/2", "intake/x", "intake/", "/1"])
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


def test_an_output_that_no_longer_fits_its_contract_is_refused_by_name() -> None:
    with pytest.raises(CheckpointCorruptError, match="outputs/doc_intake#1"):
        require_unchanged(saved(outputs={"doc_intake#1": {"surprise": 1}}))


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


async def test_a_what_if_decides_nothing(desk: Desk, decided: StartedRun) -> None:
    other = await fork(decided, checkpoint="policy")
    await other.events()

    answer = await desk.http.get(f"{other.url}/decision")

    assert answer.status_code == 404
    assert (await decided.summary()).decision is not None


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
        ({"checkpoint": "verification", "decide": True}, 409),
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
    assert again.status_code == 409


async def test_a_waiting_run_under_whose_past_the_map_has_changed_is_not_stranded(
    desk: Desk,
) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    redraw_the_map(desk, run.run_id)

    refused = await run.answer(decision="approve")

    assert refused.status_code == 409, refused.text
    said = refused.json()["detail"]
    assert "version 0" in said
    assert f"version {WORKFLOW.version}" in said
    assert "fork from" in said
    assert (await run.summary()).status is RunStatus.WAITING
    other = await fork(run, checkpoint="start")
    assert (await other.events())[-1].meta == {"ended_at": "underwriter"}
    await desk.http.post(f"{run.url}/cancel")


def redraw_the_map(desk: Desk, run_id: str) -> None:
    """Make a run's last checkpoint one of an older map, in which policy meant something else."""
    with closing(sqlite3.connect(desk.home / "ledger.db", timeout=30)) as connection:
        key, body = connection.execute(
            "select b.path, b.body from checkpoints c join blobs b on b.path = c.storage_key "
            "where c.run_id = ? order by c.ordinal desc limit 1",
            (run_id,),
        ).fetchone()
        record = json.loads(zlib.decompress(body))
        saved = json.loads(record["result"])
        saved["workflow_version"] = "0"
        saved["fingerprints"]["policy"] = "0" * 64
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
