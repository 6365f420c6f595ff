"""The driver on each engine: tasks of a flow, chunks that are left, a file that changed."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.testing.utilities import prefect_test_harness

from data.contracts.errors import LeaseLostError
from data.contracts.runs import RunStatus
from data.settings import Settings, settings
from flows.portfolio.chunk import underwrite_chunk
from flows.portfolio.driver import _Drive, drive
from flows.runtime.ledger import batches, journal
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger
from tests.flows.portfolio.portfolios import (
    begun,
    cases,
    entered,
    lines_of,
    summary_of,
    write_portfolio,
)

pytestmark = [
    pytest.mark.usefixtures("no_socket_left"),
    # Prefect leaves sockets to the garbage collector: those of a task's own client, and those of
    # the client with which each flow asks where results are stored.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
ENGINES = ["threads", "processes", pytest.param("dask", marks=pytest.mark.soak)]


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    """A Prefect server of this module, for flows that have no desk."""
    with prefect_test_harness(server_startup_timeout=300):
        yield
    gc.collect()  # here, where what it warns of is expected


class Board:
    """The progress that was shown."""

    def __init__(self) -> None:
        self.shown: list[float] = []

    def show(self, progress: float) -> None:
        self.shown.append(progress)


def driven(chosen: Settings, batch: Batch) -> Board:
    """Drive a batch inside a flow, as the job does."""
    board = Board()

    @flow(name="driven", persist_result=False)
    async def driven_flow() -> None:
        await asyncio.to_thread(drive, chosen, batch.batch_id, str(uuid4()), board)

    asyncio.run(driven_flow())
    return board


def events_of(ledger: Ledger, batch: Batch) -> list[dict[str, Any]]:
    with ledger.reading() as connection:
        return [json.loads(body) for body in journal.read(connection, batch.batch_id)]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_comes_to_the_same_decisions(
    ledger: Ledger, tmp_path: Path, engine: str
) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("engine"))
    batch = entered(ledger, path)
    chosen = settings().model_copy(update={"batch_engine": engine, "batch_workers": 2})

    board = driven(chosen, batch)

    lines = lines_of(ledger, batch)
    assert len(lines) == len(cases("engine"))
    summary = summary_of(ledger, batch)
    assert summary.status is RunStatus.WAITING
    assert (summary.chunks_done, summary.progress) == (summary.chunks, 1.0)
    assert board.shown[-1] == 1.0
    events = events_of(ledger, batch)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "waiting"


def test_only_the_chunks_that_are_left_are_executed(ledger: Ledger, tmp_path: Path) -> None:
    rows = [case for n in range(4) for case in cases(f"left{n}", "ada-prime", "dee-debtor")]
    path = write_portfolio(tmp_path / "p.jsonl", rows)
    batch, plan = begun(ledger, path)
    assert underwrite_chunk(batch.batch_id, str(path), plan[0]) == "finished"

    driven(settings().model_copy(update={"batch_engine": "threads"}), batch)

    summary = summary_of(ledger, batch)
    assert (summary.status, summary.taken_over, summary.starts) == (RunStatus.COMPLETED, 1, 2)
    assert len(lines_of(ledger, batch)) == len(rows)


@pytest.mark.parametrize("change", ["altered", "removed"])
def test_a_file_that_changed_since_it_was_submitted_fails_the_batch(
    ledger: Ledger, tmp_path: Path, change: str
) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("changed", "ada-prime"))
    batch = entered(ledger, path)
    if change == "altered":
        write_portfolio(path, cases("changed", "dee-debtor"))
    else:
        path.unlink()

    driven(settings(), batch)

    summary = summary_of(ledger, batch)
    assert summary.status is RunStatus.FAILED
    assert summary.error is not None
    assert (
        summary.error.code == {"altered": "record_corrupt", "removed": "record_not_found"}[change]
    )


def test_a_driver_that_was_given_up_does_not_end_its_successor_s_batch(
    ledger: Ledger, tmp_path: Path
) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("replaced", "ada-prime"))
    batch, flow_run_id = entered(ledger, path), str(uuid4())
    # A job that is offered again has the same flow run.
    first, second = (
        _Drive.begin(settings(), ledger, batch.batch_id, flow_run_id, Board()) for _ in range(2)
    )
    assert first is not None
    assert second is not None
    path.unlink()

    with pytest.raises(LeaseLostError), first.failing():
        first.execute()
    assert summary_of(ledger, batch).status is RunStatus.RUNNING

    with second.failing():
        second.execute()
    assert summary_of(ledger, batch).status is RunStatus.FAILED


def test_a_batch_that_has_ended_is_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("over", "ada-prime"))
    batch = entered(ledger, path)
    driven(settings(), batch)
    before = events_of(ledger, batch)

    driven(settings(), batch)

    assert events_of(ledger, batch) == before
    with ledger.reading() as connection:
        assert batches.find(connection, batch.batch_id).status is RunStatus.COMPLETED


@pytest.mark.parametrize("rows", ["good", "bad"])
def test_the_copy_of_an_upload_is_removed_when_every_row_is_done(
    ledger: Ledger, tmp_path: Path, rows: str
) -> None:
    written = cases("copied", "ada-prime") if rows == "good" else ["{not json"]
    path = write_portfolio(tmp_path / "copy.jsonl", written)
    batch = entered(ledger, path, is_copy=True)

    driven(settings(), batch)

    assert summary_of(ledger, batch).status.has_ended
    assert not path.exists()
