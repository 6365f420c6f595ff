"""Forks on the real desk: what they repeat, what they decide, and what refuses them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import httpx
import pytest

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk, StartedRun
from tests.otlp import Receiver


async def fork(run: StartedRun, **request: Any) -> StartedRun:
    """Fork a run over HTTP."""
    answer = await run.desk.http.post(f"{run.url}/resume", json=request)
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
    came = {"parent_run_id": decided.run_id, "forked_at": "verification/1"}
    assert events[0].meta == {"workflow": "underwrite", **came}
    taken = [event for event in events if event.type is EventType.STAGE_TAKEN_OVER]
    assert [(event.phase, event.progress, event.step_progress) for event in taken] == [
        ("doc_intake", 0.38, 1.0),
        ("verification", 0.38, 1.0),
    ]
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

    messages = (await desk.http.get(f"{other.url}/memory")).raise_for_status().json()
    parents = (await desk.http.get(f"{decided.url}/memory")).raise_for_status().json()
    shared = [message for message in parents if message["stage"] in {"doc_intake", "verification"}]
    assert shared
    assert messages[: len(shared)] == shared
    assert [message["n"] for message in messages] == list(range(1, len(messages) + 1))


async def test_a_fork_s_trace_holds_no_earlier_agent_and_a_link_to_its_parent_s(
    desk: Desk, otlp: Receiver, decided: StartedRun
) -> None:
    other = await fork(decided, checkpoint="verification")
    await other.events()
    trace_id, parents = (await other.summary()).trace_id, (await decided.summary()).trace_id

    await asyncio.to_thread(otlp.wait_for, trace_id, "invoke_workflow underwrite")
    request = await asyncio.to_thread(otlp.wait_for, trace_id, "POST /runs/{run_id}/resume")

    agents = {span.name for span in otlp.trace(trace_id) if span.name.startswith("invoke_agent ")}
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
    assert await memos(decided) == ["decision-memo"]
    assert await memos(other) == ["what-if-memo"]


async def memos(run: StartedRun) -> list[str]:
    """The keys of the artifacts that a run has published in Prefect."""
    mine = {"artifacts": {"flow_run_id": {"any_": [await run.flow_run_id()]}}}
    async with httpx.AsyncClient(base_url=f"{run.desk.prefect_url}/api") as client:
        answer = await client.post("/artifacts/filter", json=mine)
    return [artifact["key"] for artifact in answer.raise_for_status().json()]


async def test_a_what_if_ends_where_a_person_would_be_asked(desk: Desk) -> None:
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    assert (await run.summary()).status is RunStatus.WAITING

    other = await fork(run, checkpoint="verification")
    last = (await other.events())[-1]

    assert last.type is EventType.RUN_COMPLETED
    assert last.meta == {"ended_at": "underwriter"}
    statuses = await node_statuses(other)
    assert [statuses[name] for name in ("doc_intake", "kyc", "verified")] == ["taken_over"] * 3
    assert (statuses["documents"], statuses["bureau"]) == ("pending", "done")
    assert (await run.summary()).status is RunStatus.WAITING
    assert (await desk.http.get(f"{other.url}/hitl")).status_code in {404, 409}


async def node_statuses(run: StartedRun) -> dict[str, str]:
    """The status of each node on the map of a run."""
    answer = await run.desk.http.get("/workflow/graph.json", params={"run_id": run.run_id})
    return {node["id"]: node["status"] for node in answer.raise_for_status().json()["nodes"]}


@pytest.mark.parametrize(
    ("request_body", "status"),
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
    decided: StartedRun, request_body: dict[str, Any], status: int
) -> None:
    before = await decided.events()

    answer = await decided.desk.http.post(f"{decided.url}/resume", json=request_body)

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
    resume = f"/flow_runs/{await run.flow_run_id()}/resume"
    async with httpx.AsyncClient(base_url=f"{run.desk.prefect_url}/api") as client:
        answer = await client.post(resume, json={"run_input": fields})
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
    """Let a run have pinned a rulebook that no desk can read any more."""
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

    # The desk cannot check an answer in Prefect beforehand: the run fails at once, with the reason.
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
    """Change the last checkpoint of a run, and its digest with it."""
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
