"""Warm processes: a call elsewhere, its errors, and what a killed or slow process costs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from data.contracts.errors import UnavailableError, WorkflowError
from flows.runtime.execution.warm_processes import WarmProcesses
from tests.flows.runtime.execution import warm_calls

SECONDS = 60.0


@pytest.fixture
def processes() -> Iterator[WarmProcesses]:
    with WarmProcesses(2, warm_calls.__name__, SECONDS) as opened:
        yield opened


def test_a_call_is_executed_in_a_process_that_stays(processes: WarmProcesses) -> None:
    first, second = (processes.run(warm_calls.own_pid) for _ in range(2))

    assert first == second != os.getpid()


def test_two_threads_have_two_processes(processes: WarmProcesses, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        pids = list(
            threads.map(lambda n: processes.run(warm_calls.meet, str(tmp_path), n), range(2))
        )

    assert len(set(pids)) == 2


def test_an_error_of_the_desk_comes_back_and_the_process_stays(processes: WarmProcesses) -> None:
    pid = processes.run(warm_calls.own_pid)

    with pytest.raises(UnavailableError, match="no ledger"):
        processes.run(warm_calls.fail, "unavailable")
    with pytest.raises(WorkflowError) as foreign:
        processes.run(warm_calls.fail, "foreign")

    assert "123-45" not in str(foreign.value)
    assert processes.run(warm_calls.own_pid) == pid


def test_a_killed_process_costs_its_own_call_alone(
    processes: WarmProcesses, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as threads:
        victim = threads.submit(processes.run, warm_calls.linger, str(tmp_path / "victim"), 60.0)
        other = threads.submit(processes.run, warm_calls.linger, str(tmp_path / "other"), 1.0)
        os.kill(warm_calls.pid_in(tmp_path / "victim"), signal.SIGKILL)

        with pytest.raises(UnavailableError, match="killed"):
            victim.result(SECONDS)
        assert other.result(SECONDS) == "done"
    assert processes.run(warm_calls.own_pid)


def test_a_call_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with WarmProcesses(1, warm_calls.__name__, seconds=20.0) as processes:
        processes.run(warm_calls.own_pid)  # loaded
        processes._seconds = 0.5
        with pytest.raises(UnavailableError, match=r"longer than 0\.5 s"):
            processes.run(warm_calls.linger, str(tmp_path / "slow"), 60.0)
        pid = warm_calls.pid_in(tmp_path / "slow")

    deadline = time.monotonic() + SECONDS
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
