"""The inbox: complete files alone, each entered once, moved with their results and a manifest."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from pathlib import Path

import pytest

from data.contracts.review import Person
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.portfolio import inbox
from flows.portfolio.inbox import complete_files, enter_files, put_away
from flows.runtime.ledger import batch_ends, batches
from flows.runtime.ledger.database import Ledger
from tests.flows.portfolio.portfolios import cases, done, summary_of, write_portfolio

FLOW_RUN = "flow-run-1"


def settled(path: Path) -> Path:
    """The file, as if its writer had finished a minute ago."""
    ago = time.time() - 60
    os.utime(path, (ago, ago))
    return path


@pytest.fixture
def folder(ledger: Ledger) -> Path:
    """The inbox of this test's desk."""
    settings().inbox.mkdir(parents=True)
    return settings().inbox


def test_a_file_that_is_still_written_to_is_left_alone(folder: Path) -> None:
    complete = settled(write_portfolio(folder / "b.jsonl", cases("i", "ada-prime")))
    also = settled(write_portfolio(folder / "A.CSV", ["x"]))
    write_portfolio(folder / "growing.jsonl", cases("i", "ada-prime"))
    for name in (".hidden.jsonl", "c.jsonl.part", "readme.txt"):
        settled(write_portfolio(folder / name, ["x"]))
    (folder / "link.jsonl").symlink_to(complete)
    (folder / "folder.jsonl").mkdir()

    assert complete_files(folder) == [also, complete]
    assert complete_files(folder / "missing") == []


async def test_a_file_is_entered_once_and_belongs_to_the_flow_run_that_took_it(
    ledger: Ledger, folder: Path
) -> None:
    settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))

    (first,) = await enter_files(settings(), ledger, FLOW_RUN)
    (again,) = await enter_files(settings(), ledger, FLOW_RUN)
    others = await enter_files(settings(), ledger, "flow-run-2")

    assert first == again
    assert others == [], "another flow run drives it"
    batch = await ledger.read(batches.find, first.batch_id)
    assert (batch.flow_run_id, batch.person) == (FLOW_RUN, Person(name="inbox"))


@pytest.mark.parametrize("good", [True, False])
async def test_a_file_that_is_done_is_moved_with_results_and_manifest(
    ledger: Ledger, folder: Path, good: bool
) -> None:
    path = settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))
    (found,) = await enter_files(settings(), ledger, FLOW_RUN)
    batch = await asyncio.to_thread(done, ledger, path)
    error = {"code": "x", "message": "y"}
    with ledger.writing() as connection:
        if good:
            batch_ends.complete(connection, batch.batch_id, "done", {})
        else:
            batch_ends.fail(connection, batch.batch_id, error)

    await put_away(settings(), ledger, found, summary_of(ledger, batch))

    (moved,) = (folder / ("done" if good else "failed")).iterdir()
    assert not path.exists()
    assert {file.name for file in moved.iterdir()} == {
        "p.jsonl",
        "decisions.jsonl",
        "rejects.jsonl",
        "summary.json",
        "summary.md",
        "manifest.json",
    }
    manifest = json.loads((moved / "manifest.json").read_text())
    assert manifest["sha256"] == inbox.digest_of(moved / "p.jsonl")
    assert manifest["status"] == ("completed" if good else "failed")
    assert manifest["code"] == ("" if good else "x")
    assert stat.S_IMODE((moved / "decisions.jsonl").stat().st_mode) == 0o600
    (line,) = (moved / "decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["status"] == "decided"


async def test_a_file_whose_batch_is_not_done_stays(ledger: Ledger, folder: Path) -> None:
    path = settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))
    (found,) = await enter_files(settings(), ledger, FLOW_RUN)
    batch = await ledger.read(batches.find, found.batch_id)
    assert batch.status is RunStatus.QUEUED

    await put_away(settings(), ledger, found, summary_of(ledger, batch))

    assert path.exists()
