"""What has to hold in both databases after all faults: everything once, nothing half done."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.faults.desk_process import FaultyDesk
from tests.faults.load import Case

_SETTLED = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
_SETTLING_SECONDS = 45.0


@dataclass(frozen=True)
class Figures:
    """The figures of one round of random kills."""

    runs: int
    executions: int
    """How often a worker executed a run, first times included."""
    stages: int
    """How often a stage started as a Prefect subflow."""
    stages_again: int
    """How many of these repeated a stage that was killed."""


def contents(faulty_desk: FaultyDesk, cases: Iterable[Case]) -> dict[str, tuple[str, str]]:
    """Digest and text of each decision, by application."""
    found = faulty_desk.ledger("select application_id, content_sha256, body from decisions")
    wanted = {case.application_id for case in cases}
    decided = [row for row in found if row["application_id"] in wanted]
    twice = [name for name, n in Counter(row["application_id"] for row in decided).items() if n > 1]
    assert not twice, f"decided twice: {twice}"
    assert len(decided) == len(wanted), "an application was not decided"
    return {
        row["application_id"]: (
            row["content_sha256"],
            json.dumps(json.loads(row["body"]), sort_keys=True),
        )
        for row in decided
    }


def require_whole_journal(faulty_desk: FaultyDesk, case: Case) -> None:
    """Events are numbered without gaps, progress never falls, and the run ends once, completed."""
    rows = faulty_desk.ledger(
        "select id, key from events where run_id = ? order by id", case.run_id
    )
    events = faulty_desk.journal(case.run_id)
    assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    assert len({row["key"] for row in rows}) == len(rows)
    shares = [event["progress"] for event in events]
    assert shares == sorted(shares)
    kinds = Counter(event["type"] for event in events)
    assert kinds["run.started"] == 1
    assert kinds["run.completed"] == 1
    assert kinds["run.failed"] == kinds["run.cancelled"] == 0
    assert events[-1]["type"] == "run.completed"
    assert shares[-1] == 1.0
    once = Counter(
        (event["phase"], event["meta"].get("label"), event["meta"].get("version"))
        for event in events
        if event["type"] == "checkpoint.saved"
    )
    assert set(once.values()) == {1}


def require_one_memo_each(faulty_desk: FaultyDesk, cases: Iterable[Case]) -> None:
    """Every run has published its memo in Prefect exactly once."""
    found = faulty_desk.prefect("select flow_run_id from artifact where key = 'decision-memo'")
    memos = Counter(row["flow_run_id"] for row in found)
    flow_run_ids = faulty_desk.flow_run_ids()
    assert {case.run_id: memos[flow_run_ids[case.run_id]] for case in cases} == {
        case.run_id: 1 for case in cases
    }


async def until_settled(faulty_desk: FaultyDesk) -> None:
    """Wait until no run is under way, neither in the ledger nor in Prefect."""
    left: list[str] = []
    for _ in range(int(_SETTLING_SECONDS / 0.5)):
        left = await asyncio.to_thread(_under_way, faulty_desk)
        if not left:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"still under way: {left}")


def figures(faulty_desk: FaultyDesk, cases: list[Case]) -> Figures:
    ids = {case.run_id for case in cases}
    flow_run_ids = faulty_desk.flow_run_ids()
    parents = {flow_run_ids[run_id] for run_id in ids}
    epochs = faulty_desk.ledger("select run_id, lease_epoch from runs")
    stages = [
        max(row["run_count"], 1)
        for row in faulty_desk.prefect(
            "select f.run_count as run_count, t.flow_run_id as parent from flow_run f "
            "join task_run t on t.id = f.parent_task_run_id"
        )
        if row["parent"] in parents
    ]
    return Figures(
        runs=len(ids),
        executions=sum(row["lease_epoch"] for row in epochs if row["run_id"] in ids),
        stages=sum(stages),
        stages_again=sum(stages) - len(stages),
    )


def _under_way(faulty_desk: FaultyDesk) -> list[str]:
    live = faulty_desk.ledger(
        "select run_id, status from runs "
        "where status not in ('completed', 'failed', 'cancelled') or lease_owner is not null"
    )
    flow_runs = faulty_desk.prefect(
        "select id, name, state_type from flow_run where not auto_scheduled"
    )
    return [f"ledger {row['run_id']} {row['status']}" for row in live] + [
        f"prefect {row['id']} {row['name']} {row['state_type']}"
        for row in flow_runs
        if row["state_type"] not in _SETTLED
    ]
