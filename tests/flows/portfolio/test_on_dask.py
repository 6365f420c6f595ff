"""Dask on several processes over PostgreSQL: a worker and the driver die, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from data import traces
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.runtime.execution.window import PER_WORKER
from flows.runtime.ledger import chunks, tables
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger, shared_ledger
from tests.desk import ROOT, unused_port
from tests.flows.portfolio import counted_worker
from tests.flows.portfolio.conftest import fresh_caches
from tests.flows.portfolio.counted_worker import NOTES
from tests.flows.portfolio.portfolios import (
    cases,
    entered,
    lines_of,
    summary_of,
    write_portfolio,
)
from tests.flows.portfolio.test_driver import driven
from tests.flows.runtime import postgres
from tests.otlp import Receiver
from tools.modelling.synthesize import APPLICATIONS, Recipe, synthesize

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.usefixtures("no_socket_left"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SECONDS = 600.0
ROWS, CHUNK_ROWS = 80, 4
SOAK_ROWS, SOAK_CHUNK_ROWS = 10_000, 250


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the cluster, with the settings of this test's desk."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-m", *command], env=environment) as started:
        try:
            yield started
        finally:
            started.kill()


@pytest.fixture
def cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soak: bool, otlp: Receiver
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler and two workers; the settings of this process name them and PostgreSQL."""
    port = unused_port()
    address = f"tcp://127.0.0.1:{port}"
    with ExitStack() as opened:
        url = opened.enter_context(postgres.server())
        monkeypatch.setenv("CREDIT_DESK_HOME", str(tmp_path / "desk"))
        monkeypatch.setenv("CREDIT_DESK_LEDGER_URL", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
        monkeypatch.setenv("CREDIT_DESK_BATCH_ENGINE", address)
        size = SOAK_CHUNK_ROWS if soak else CHUNK_ROWS
        monkeypatch.setenv("CREDIT_DESK_BATCH_CHUNK_SIZE", str(size))
        monkeypatch.setenv(NOTES, str(tmp_path / "executed"))
        opened.enter_context(fresh_caches())
        opened.callback(monkeypatch.undo)
        opened.enter_context(prefect_test_harness(server_startup_timeout=300))
        monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
        here = ("--host", "127.0.0.1", "--no-dashboard")
        opened.enter_context(process("distributed.cli.dask_scheduler", *here, "--port", str(port)))
        alone = ("--nthreads", "1", "--no-nanny", *here, "--preload", counted_worker.__name__)
        yield [
            opened.enter_context(process("distributed.cli.dask_worker", address, *alone))
            for _ in range(2)
        ]
        shared_ledger(settings().ledger).close()


def until_done(ledger: Ledger, batch: Batch, count: int) -> None:
    """Wait until so many chunks are finished."""
    deadline = time.monotonic() + SECONDS
    while True:
        with ledger.reading() as connection:
            if len(chunks.finished(connection, batch.batch_id)) >= count:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.soak
def test_the_workers_of_dask_send_the_spans_of_their_chunks(
    cluster: list[subprocess.Popen[bytes]], tmp_path: Path, otlp: Receiver
) -> None:
    ledger, trace_id, driver = shared_ledger(settings().ledger), "d" * 32, "e" * 16
    batch = entered(ledger, write_portfolio(tmp_path / "p.jsonl", cases("dask-spans")))
    with ledger.writing() as connection:
        mark = tables.batches.update().values(traceparent=f"00-{trace_id}-{driver}-01")
        connection.execute(mark.where(tables.batches.c.batch_id == batch.batch_id))

    driven(settings(), batch)

    assert cluster
    expected = set(range(summary_of(ledger, batch).chunks))
    deadline = time.monotonic() + 20
    while {span.attributes[traces.CHUNK] for span in otlp.trace(trace_id)} != expected:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    spans = otlp.trace(trace_id)
    assert {(span.name, span.parent_id) for span in spans} == {(traces.CHUNK_NAME, driver)}
    assert all(span.instance.startswith("chunks-") for span in spans)


def test_a_killed_worker_and_a_killed_driver_lose_no_application_and_decide_none_twice(
    cluster: list[subprocess.Popen[bytes]],
    tmp_path: Path,
    soak: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = shared_ledger(settings().ledger)
    synthesize(tmp_path, Recipe(SOAK_ROWS if soak else ROWS, seed=11))
    batch = entered(ledger, tmp_path / APPLICATIONS)
    count = (SOAK_ROWS if soak else ROWS) // settings().batch_chunk_size

    with process("tests.flows.portfolio.driver_process", batch.batch_id) as driver:
        until_done(ledger, batch, count // 5)
        cluster[0].send_signal(signal.SIGKILL)
        until_done(ledger, batch, count // 2)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    driven(settings(), batch)

    summary, lines = summary_of(ledger, batch), lines_of(ledger, batch)
    executed = Counter((tmp_path / "executed").read_text().split())
    decided = [line["decision_id"] for line in lines.values() if line["status"] == "decided"]
    with ledger.reading() as connection:
        claimed = connection.execute(
            sa.select(sa.func.count()).select_from(tables.decisions)
        ).scalar_one()
    twice = sum(times - 1 for times in executed.values())
    with capsys.disabled():
        print(  # noqa: T201 - a result of the test
            "\n| chunks | executed | executed twice | decided | distinct | referred |"
            "\n|---:|---:|---:|---:|---:|---:|"
            f"\n| {count} | {executed.total()} | {twice} | {len(decided)}"
            f" | {len(set(decided))} | {summary.totals.statuses['referred']} |"
        )
    assert summary.status is RunStatus.WAITING, summary.error
    assert (summary.chunks_done, len(lines)) == (count, summary.rows)
    assert summary.taken_over >= count // 2
    assert len(decided) == len(set(decided)) == claimed
    # Executed again are those that were under way when a process was killed, and no others.
    assert twice <= 1 + PER_WORKER * len(cluster)
