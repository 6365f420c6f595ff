"""Dask on several processes over PostgreSQL: a worker dies on the way, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from data.contracts.runs import RunStatus
from data.settings import settings
from flows.runtime.ledger import chunks
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger, shared_ledger
from tests.desk import ROOT, unused_port
from tests.flows.portfolio.conftest import CHUNK_ROWS, fresh_caches
from tests.flows.portfolio.portfolios import (
    cases,
    entered,
    lines_of,
    summary_of,
    write_portfolio,
)
from tests.flows.portfolio.test_driver import driven
from tests.flows.runtime import postgres

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("no_socket_left"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
COPIES = 8
SECONDS = 300.0


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler and two workers; the settings of this process name them and PostgreSQL."""
    port = unused_port()
    address = f"tcp://127.0.0.1:{port}"
    with ExitStack() as opened:
        url = opened.enter_context(postgres.server())
        monkeypatch.setenv("CREDIT_DESK_HOME", str(tmp_path / "desk"))
        monkeypatch.setenv("CREDIT_DESK_LEDGER_URL", url)
        monkeypatch.setenv("CREDIT_DESK_BATCH_ENGINE", address)
        monkeypatch.setenv("CREDIT_DESK_BATCH_CHUNK_SIZE", str(CHUNK_ROWS))
        opened.enter_context(fresh_caches())
        opened.callback(monkeypatch.undo)
        opened.enter_context(prefect_test_harness(server_startup_timeout=300))
        here = ("--host", "127.0.0.1", "--no-dashboard")
        opened.enter_context(process("distributed.cli.dask_scheduler", *here, "--port", str(port)))
        alone = ("--nthreads", "1", "--no-nanny", *here)
        yield [
            opened.enter_context(process("distributed.cli.dask_worker", address, *alone))
            for _ in range(2)
        ]
        shared_ledger(settings().ledger).close()


def when_some_chunks_are_done(ledger: Ledger, batch: Batch, act: Callable[[], None]) -> None:
    """Do something in the middle of a batch, on a thread."""

    def watch() -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with ledger.reading() as connection:
                if len(chunks.finished(connection, batch.batch_id)) >= 3:
                    act()
                    return
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()


def test_a_worker_that_is_killed_loses_no_application(
    cluster: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    ledger = shared_ledger(settings().ledger)
    rows = [case for number in range(COPIES) for case in cases(f"dask{number}")]
    batch = entered(ledger, write_portfolio(tmp_path / "p.jsonl", rows))
    when_some_chunks_are_done(ledger, batch, lambda: cluster[0].send_signal(signal.SIGKILL))

    driven(settings(), batch)

    assert cluster[0].poll() == -signal.SIGKILL
    summary = summary_of(ledger, batch)
    assert summary.status is RunStatus.WAITING, summary.error
    assert summary.chunks_done == -(-len(rows) // CHUNK_ROWS)
    assert len(lines_of(ledger, batch)) == len(rows)
