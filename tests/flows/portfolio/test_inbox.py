"""The inbox: complete files alone, each entered once, moved with their results and a manifest."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.contracts.review import Person
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.portfolio import inbox
from flows.portfolio.inbox import complete_files, enter_files, put_away
from flows.runtime.ledger import batch_ends, batches
from flows.runtime.ledger.database import Ledger
from tests.flows.portfolio.portfolios import cases, done, entered, summary_of, write_portfolio

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


async def test_the_results_come_as_parquet_too_where_the_desk_is_told_so(
    ledger: Ledger, folder: Path
) -> None:
    chosen = settings().model_copy(update={"batch_parquet": True})
    path = settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))
    (found,) = await enter_files(chosen, ledger, FLOW_RUN)
    batch = await asyncio.to_thread(done, ledger, path)
    with ledger.writing() as connection:
        batch_ends.complete(connection, batch.batch_id, "done", {})

    await put_away(chosen, ledger, found, summary_of(ledger, batch))

    (moved,) = (folder / "done").iterdir()
    (row,) = pq.read_table(moved / "decisions.parquet").to_pylist()
    (line,) = (moved / "decisions.jsonl").read_text().splitlines()
    assert row["content_sha256"] == json.loads(line)["content_sha256"]


async def test_a_file_whose_batch_is_not_done_stays(ledger: Ledger, folder: Path) -> None:
    path = settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))
    (found,) = await enter_files(settings(), ledger, FLOW_RUN)
    batch = await ledger.read(batches.find, found.batch_id)
    assert batch.status is RunStatus.QUEUED

    await put_away(settings(), ledger, found, summary_of(ledger, batch))

    assert path.exists()


async def test_the_batch_of_a_file_shows_the_name_as_other_people_may_see_it(
    ledger: Ledger, folder: Path
) -> None:
    settled(write_portfolio(folder / "Ada Prime 123-45-6789.jsonl", cases("i", "ada-prime")))

    (found,) = await enter_files(settings(), ledger, FLOW_RUN)

    batch = await ledger.read(batches.find, found.batch_id)
    assert batch.file_name == "portfolio.jsonl"


async def test_a_cancelled_batch_is_not_started_again_by_the_file_that_it_came_from(
    ledger: Ledger, folder: Path
) -> None:
    path = settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))
    batch = await asyncio.to_thread(entered, ledger, path)
    await ledger.write(batch_ends.request_cancel, batch.batch_id)

    (found,) = await enter_files(settings(), ledger, FLOW_RUN)
    summary = summary_of(ledger, batch)
    await put_away(settings(), ledger, found, summary)

    assert summary.status is RunStatus.CANCELLED
    (moved,) = (folder / "failed").iterdir()
    assert (moved / "p.jsonl").is_file()
    assert not path.exists()


async def test_a_cancelled_batch_goes_on_when_its_file_is_put_into_the_inbox_again(
    ledger: Ledger, folder: Path
) -> None:
    path = settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))
    batch = await asyncio.to_thread(entered, ledger, path)
    await ledger.write(batch_ends.request_cancel, batch.batch_id)
    await asyncio.sleep(0.05)  # the clock of a file system ticks every few milliseconds
    path.rename(folder / "elsewhere").rename(path)  # as `mv` does: it keeps the time of change

    (found,) = await enter_files(settings(), ledger, FLOW_RUN)

    assert found.batch_id == batch.batch_id
    assert (await ledger.read(batches.find, batch.batch_id)).status is RunStatus.QUEUED


async def test_a_file_that_cannot_be_read_is_left_and_the_others_are_taken(
    ledger: Ledger, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        settled(write_portfolio(folder / f"{name}.jsonl", cases(name, "ada-prime")))
    vanishes = complete_files

    def complete_and_gone(inbox: Path) -> list[Path]:
        """The files, of which a person takes the first away at this moment."""
        found = vanishes(inbox)
        found[0].unlink()
        return found

    monkeypatch.setattr(inbox, "complete_files", complete_and_gone)

    (found,) = await enter_files(settings(), ledger, FLOW_RUN)

    assert found.path.name == "b.jsonl"
    assert "a.jsonl is left for the next time: No such file or directory" in caplog.text


async def test_a_file_that_cannot_be_moved_does_not_keep_the_others_from_it(
    ledger: Ledger, folder: Path
) -> None:
    path = settled(write_portfolio(folder / "p.jsonl", cases("i", "ada-prime")))
    (found,) = await enter_files(settings(), ledger, FLOW_RUN)
    batch = await asyncio.to_thread(done, ledger, path)
    await ledger.write(batch_ends.complete, batch.batch_id, "done", {})
    path.unlink()

    summary = summary_of(ledger, batch)
    assert await put_away(settings(), ledger, found, summary) == summary
