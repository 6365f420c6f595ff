"""Batches on a real desk: chunks as tasks, kills, the same file again, reviews that flow back."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped, unused-ignore]
import pyarrow.parquet as pq
import pytest

from api.cli.client import DeskClient
from api.cli.demo.portfolio import underwrite_portfolio
from data.contracts.base import canonical_json
from data.contracts.events import EventType
from tests.command_line import credit_desk
from tests.desk import Desk
from tests.flows.conftest import CHUNK_ROWS, OPEN_REVIEWS
from tests.flows.portfolio.portfolios import cases, write_portfolio

SECONDS = 120.0
PLAIN = ("ada-prime", "dee-debtor", "connie-counter")
"""Applicants about whom no person is asked."""
APPROVED = {
    "gate": "underwriter",
    "decision": "approve",
    "reviewer": "underwriter-1",
    "reason": "seen and considered",
}


async def batch_of(desk: Desk, file: Path) -> dict[str, Any]:
    """The batch that a file becomes, over HTTP."""
    content = await asyncio.to_thread(file.read_bytes)
    answer = await desk.http.post("/batches", files={"file": (file.name, content)})
    assert answer.status_code in {200, 202}, answer.text
    started: dict[str, Any] = answer.json()
    return started


async def until(desk: Desk, batch_id: str, *statuses: str) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        while True:
            batch: dict[str, Any] = (await desk.http.get(f"/batches/{batch_id}")).json()
            if batch["status"] in statuses:
                return batch
            await asyncio.sleep(0.1)


async def lines_of(desk: Desk, batch_id: str, part: str = "decisions") -> list[dict[str, Any]]:
    answer = await desk.http.get(f"/batches/{batch_id}/{part}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.raise_for_status().text.splitlines()]


async def task_runs_of(desk: Desk, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """The task runs in Prefect, of all drivers, once it has recorded the end of each."""
    drivers = {"name": {"any_": [f"batch {batch['batch_id']}"]}}
    asked = {"flow_runs": drivers, "limit": 200}
    least = batch["chunks"] - batch["taken_over"]
    async with (
        httpx.AsyncClient(base_url=desk.prefect_url, timeout=30) as http,
        asyncio.timeout(SECONDS),
    ):
        while True:
            answer = await http.post("/api/task_runs/filter", json=asked)
            found: list[dict[str, Any]] = answer.raise_for_status().json()
            # Prefect records task runs in batches, and a killed driver's may not have come.
            are_there = len({run["name"] for run in found}) >= least
            if are_there and all(run["state_type"] in {"COMPLETED", "CRASHED"} for run in found):
                return found
            await asyncio.sleep(0.2)


def copies(desk: Desk) -> list[Path]:
    """The copies of uploads on a desk: none, as soon as every row of its batches is done."""
    return list((desk.home / "uploads").iterdir())


def portfolio(folder: Path, prefix: str, copies: int) -> Path:
    rows = [case for number in range(copies) for case in cases(f"{prefix}{number}", *PLAIN)]
    return write_portfolio(folder / f"{prefix}.jsonl", rows)


@dataclass(frozen=True)
class Ended:
    """A batch that was started from the command line, and its files."""

    file: Path
    out: Path
    summary: dict[str, Any]


@pytest.fixture(scope="module")
async def ended(hasty_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A batch of 24 applications about which no person is asked."""
    folder = tmp_path_factory.mktemp("ended")
    file, out = portfolio(folder, "cli", 8), folder / "out"
    code, printed, errors = await credit_desk(
        hasty_desk, "batch", str(file), "--out", str(out), "--parquet", "--json"
    )
    assert code == 0, errors
    return Ended(file, out, json.loads(printed))


async def test_a_batch_from_the_command_line_leaves_its_files_and_one_task_run_per_chunk(
    hasty_desk: Desk, ended: Ended
) -> None:
    out, summary = ended.out, ended.summary

    assert (summary["status"], summary["rows"], summary["totals"]["rejected"]) == (
        "completed",
        24,
        0,
    )
    decided = [json.loads(line) for line in (out / "decisions.jsonl").read_text().splitlines()]
    assert len({line["application_id"] for line in decided}) == 24
    assert {line["outcome"] for line in decided} == {"approve", "decline", "counter_offer"}
    assert pq.read_metadata(out / "decisions.parquet").num_rows == 24
    assert json.loads((out / "summary.json").read_text()) == summary
    assert "| Approved | 8 | 33.3% |" in (out / "summary.md").read_text()
    for path in out.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert copies(hasty_desk) == []

    task_runs = await task_runs_of(hasty_desk, summary)
    assert len(task_runs) == summary["chunks"] == -(-24 // CHUNK_ROWS)
    assert {run["name"] for run in task_runs} == {f"chunk {number}" for number in range(5)}


async def test_an_auditor_gets_the_screening_of_every_application_of_a_batch(
    hasty_desk: Desk, tmp_path: Path
) -> None:
    batch = await batch_of(hasty_desk, portfolio(tmp_path, "audited", 2))
    await until(hasty_desk, batch["batch_id"], "completed")
    out = tmp_path / "screenings.jsonl"

    code, _, errors = await credit_desk(hasty_desk, "audit", "screenings", "--out", str(out))

    assert code == 0, errors
    records = [json.loads(line) for line in out.read_text().splitlines()]
    mine = [record for record in records if record["batch_id"] == batch["batch_id"]]
    decided = await lines_of(hasty_desk, batch["batch_id"])
    assert [record["application_id"] for record in mine] == [
        line["application_id"] for line in decided
    ]
    assert {record["screening"]["list_name"] for record in mine} == {"synthetic-sanctions"}
    assert mine == await lines_of(hasty_desk, batch["batch_id"], "screenings")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


async def test_the_portfolio_of_the_demonstration_ends_in_a_table_of_its_results(
    hasty_desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "portfolio"

    async with DeskClient(hasty_desk.api_url) as client:
        await underwrite_portfolio(client, folder, rows=6)

    printed = capsys.readouterr().out
    assert "6 rows in" in printed
    assert {"approve", "decline", "counter"} <= {
        line.split()[0] for line in printed.splitlines()[1:] if line
    }
    decided = (folder / "results" / "decisions.jsonl").read_text().splitlines()
    assert len(decided) == 6
    totals = json.loads((folder / "results" / "summary.json").read_text())["totals"]
    assert totals["statuses"] == {"decided": 6}, "an open review would stay for other tests"


async def test_the_same_file_again_is_the_same_batch_and_executes_nothing(
    hasty_desk: Desk, ended: Ended, tmp_path: Path
) -> None:
    renamed = tmp_path / "another-name.jsonl"
    renamed.write_bytes(ended.file.read_bytes())

    second = await batch_of(hasty_desk, renamed)

    assert (second["batch_id"], second["starts"], second["status"]) == (
        ended.summary["batch_id"],
        1,
        "completed",
    )
    assert copies(hasty_desk) == []


async def test_a_killed_driver_loses_nothing_and_finished_chunks_stay(
    hasty_desk: Desk, tmp_path: Path
) -> None:
    file = portfolio(tmp_path, "killed", 40)
    batch_id = (await batch_of(hasty_desk, file))["batch_id"]
    done = await some_chunks_of(hasty_desk, batch_id)

    for process in drivers(hasty_desk):
        process.kill()

    batch = await until(hasty_desk, batch_id, "completed")
    lines = await lines_of(hasty_desk, batch_id)
    assert len({line["application_id"] for line in lines}) == len(lines) == 120
    assert {line["status"] for line in lines} == {"decided"}
    assert batch["starts"] == 2
    assert batch["taken_over"] >= done
    resumed = [
        event for event in await events_of(hasty_desk, batch_id) if event[1] == "run.resumed"
    ]
    assert resumed
    names = [run["name"] for run in await task_runs_of(hasty_desk, batch)]
    # A killed driver takes with it what it has not told Prefect yet. At most the chunks under way
    # at the kill have two task runs: four, in the window of two processors.
    assert set(names) <= {f"chunk {number}" for number in range(24)}
    assert len(set(names)) >= 24 - batch["taken_over"]
    assert len(names) <= 24 + 2 * (psutil.cpu_count() or 1)


async def test_a_cancelled_batch_stops_and_goes_on_when_it_is_submitted_again(
    hasty_desk: Desk, tmp_path: Path
) -> None:
    file = portfolio(tmp_path, "cancelled", 40)
    batch_id = (await batch_of(hasty_desk, file))["batch_id"]
    await some_chunks_of(hasty_desk, batch_id)

    answer = await hasty_desk.http.post(f"/batches/{batch_id}/cancel")

    assert answer.status_code == 200
    stopped = await until(hasty_desk, batch_id, "cancelled")
    assert 0 < stopped["chunks_done"] < stopped["chunks"]

    again = await batch_of(hasty_desk, file)
    assert again["batch_id"] == batch_id
    ended = await until(hasty_desk, batch_id, "completed")
    assert ended["taken_over"] >= stopped["chunks_done"]
    assert len(await lines_of(hasty_desk, batch_id)) == 120
    late = await hasty_desk.http.post(f"/batches/{batch_id}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "conflict")


async def test_a_file_of_which_every_row_is_bad_ends_as_failed_with_its_first_faults(
    hasty_desk: Desk, tmp_path: Path
) -> None:
    file = write_portfolio(tmp_path / "bad.jsonl", ["{not json"] * 12)

    code, printed, _ = await credit_desk(
        hasty_desk, "batch", str(file), "--out", str(tmp_path / "out"), "--json"
    )

    summary = json.loads(printed)
    assert (code, summary["status"], summary["error"]["code"]) == (1, "failed", "no_good_row")
    assert [fault["line"] for fault in summary["faults"]] == list(range(1, 11))
    assert {fault["code"] for fault in summary["faults"]} == {"malformed_json"}
    rejects = (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()
    assert len(rejects) == 12
    assert copies(hasty_desk) == []


async def test_referred_cases_are_opened_a_few_at_a_time_and_decided_as_if_submitted_alone(
    hasty_desk: Desk, tmp_path: Path
) -> None:
    number = OPEN_REVIEWS + 2
    rows = [case for n in range(number) for case in cases(f"ref{n}", "bora-borderline")]
    file = write_portfolio(tmp_path / "referred.jsonl", rows)
    batch_id = (await batch_of(hasty_desk, file))["batch_id"]
    alone = await hasty_desk.start("bora-borderline")
    await alone.until(EventType.WAITING)
    await hasty_desk.http.post(f"{alone.url}/hitl", json=APPROVED)
    await until(hasty_desk, batch_id, "waiting")
    seen: set[str] = set()

    async with asyncio.timeout(SECONDS):
        while len(seen) < number:
            reviews = (await hasty_desk.http.get(f"/batches/{batch_id}")).json()["reviews"]
            assert reviews["open"] <= OPEN_REVIEWS
            for line in await lines_of(hasty_desk, batch_id):
                run_id = line["run_id"] if line.get("run_id") else ""
                if run_id and run_id not in seen and await is_asked(hasty_desk, run_id):
                    answer = await hasty_desk.http.post(f"/runs/{run_id}/hitl", json=APPROVED)
                    assert answer.status_code == 202, answer.text
                    seen.add(run_id)
            await asyncio.sleep(0.2)

    batch = await until(hasty_desk, batch_id, "completed")
    assert batch["reviews"] == {
        "pending": 0,
        "open": 0,
        "ended": number,
        "outcomes": {"approve": number},
    }
    expected = canonical_json(await alone.decision())
    for line in await lines_of(hasty_desk, batch_id):
        decision = (await hasty_desk.http.get(f"/runs/{line['run_id']}/decision")).json()
        assert line["content"] == decision["content"]
        assert canonical_json(line["content"]) == expected
        assert decision["batch_id"] == batch_id
        assert (line["status"], line["outcome"]) == ("decided", "approve")
    referred = await events_of(hasty_desk, line["run_id"], of="runs")
    taken = [name for _, name in referred if name == EventType.STAGE_TAKEN_OVER]
    assert len(taken) == len({"doc_intake", "verification", "bureau", "risk_ensemble", "policy"})
    journal = await events_of(hasty_desk, batch_id)
    assert [number for number, _ in journal] == list(range(1, len(journal) + 1))
    assert journal[-1][1] == EventType.RUN_COMPLETED


async def is_asked(desk: Desk, run_id: str) -> bool:
    run = (await desk.http.get(f"/runs/{run_id}")).json()
    return bool(run["status"] == "waiting")


async def test_no_personal_data_of_a_portfolio_is_in_prefect_or_in_logs(
    hasty_desk: Desk, ended: Ended
) -> None:
    batch = (await hasty_desk.http.get(f"/batches/{ended.summary['batch_id']}")).json()
    flow_run_id = batch["links"]["prefect"].rpartition("/")[2]
    async with httpx.AsyncClient(base_url=hasty_desk.prefect_url, timeout=30) as http:
        flow_run = (await http.get(f"/api/flow_runs/{flow_run_id}")).json()
        found = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}}
        artifacts = (await http.post("/api/artifacts/filter", json=found)).json()
    told = json.dumps([flow_run, artifacts, await task_runs_of(hasty_desk, batch)])
    told += hasty_desk.log("worker") + json.dumps(batch)

    assert flow_run["parameters"] == {"batch_id": batch["batch_id"]}
    assert {artifact["type"] for artifact in artifacts} == {"progress", "markdown"}
    for row in ended.file.read_text().splitlines():
        for applicant in json.loads(row)["application"]["applicants"]:
            for secret in (applicant["ssn"], applicant["dob"]):
                assert secret not in told


async def some_chunks_of(desk: Desk, batch_id: str) -> int:
    """Wait until some chunks are finished; how many."""
    async with asyncio.timeout(SECONDS):
        while True:
            batch = (await desk.http.get(f"/batches/{batch_id}")).json()
            if batch["chunks_done"]:
                assert batch["status"] == "running"
                return int(batch["chunks_done"])
            await asyncio.sleep(0.02)


def drivers(desk: Desk) -> list[psutil.Process]:
    """The processes of the jobs under way: children of the worker."""
    return [
        child
        for child in desk.role("worker").children()
        if "flows.runtime.worker.job_process" in child.cmdline()
    ]


async def events_of(desk: Desk, journaled: str, of: str = "batches") -> list[tuple[int, str]]:
    """Numbers and names of the events of a batch, or a run, that has ended."""
    text = (await desk.http.get(f"/{of}/{journaled}/events")).text
    frames = [frame.splitlines() for frame in text.split("\n\n") if frame.startswith("id: ")]
    return [(int(frame[0][4:]), frame[1][7:]) for frame in frames]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"files": {"file": ("p.exe", b"x")}}, 422, "contract_violation"),
        ({"files": {"other": ("p.jsonl", b"x")}}, 422, "contract_violation"),
        ({"json": {"path": "../ledger.db"}}, 422, "contract_violation"),
        ({"json": {"path": "missing.jsonl"}}, 404, "record_not_found"),
        ({"json": {}}, 422, "contract_violation"),
        ({"content": b"x", "headers": {"content-type": "text/csv"}}, 415, None),
    ],
)
async def test_what_is_no_portfolio_is_refused(
    hasty_desk: Desk, sent: dict[str, Any], status: int, code: str | None
) -> None:
    answer = await hasty_desk.http.post("/batches", **sent)

    assert answer.status_code == status, answer.text
    assert code in {None, answer.json()["code"]}
