"""How a child and its supervisor learn of each other's state, with real processes and pipes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import flows.runtime
from flows.runtime.host import parent_pipe

ROOT = Path(flows.runtime.__file__).parents[2]
WAITS = """
import time
from flows.runtime.host import parent_pipe
parent_pipe.exit_with_parent()
parent_pipe.notify_ready()
time.sleep(60)
"""
ENDS_IN_GOOD_ORDER = """
import signal, sys, time
from flows.runtime.host import parent_pipe
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
parent_pipe.exit_with_parent()
parent_pipe.notify_ready()
time.sleep(60)
"""
IGNORES_SIGTERM = """
import signal, time
from flows.runtime.host import parent_pipe
signal.signal(signal.SIGTERM, signal.SIG_IGN)
parent_pipe.exit_with_parent()
parent_pipe.notify_ready()
time.sleep(60)
"""
TELLS_ITS_CHILDS_ENVIRONMENT = """
import os, subprocess, sys
from flows.runtime.host import parent_pipe
parent_pipe_fd = os.environ["CREDIT_DESK_PARENT_PIPE_FD"]
parent_pipe.exit_with_parent()
parent_pipe.notify_ready()
look = '''
import os, sys
print('CREDIT_DESK_PARENT_PIPE_FD' in os.environ, os.path.exists('/dev/fd/' + sys.argv[1]))
'''
subprocess.run([sys.executable, "-c", look, parent_pipe_fd], close_fds=False, check=True)
"""


@dataclass
class Tied:
    """A child, and the ends of the pipes that its supervisor would hold."""

    child: subprocess.Popen[str]
    held: int
    ready: int

    def says_ready(self) -> bytes:
        readable, _, _ = select.select([self.ready], [], [], 30)
        return os.read(self.ready, 10) if readable else b"nothing"


@pytest.fixture
def tie() -> Iterator[list[Tied]]:
    """Kills the children that a test started, even when the test fails."""
    tied: list[Tied] = []
    yield tied
    for process in tied:
        process.child.kill()
        process.child.communicate()
        os.close(process.ready)


def started(program: str, tie: list[Tied]) -> Tied:
    pipe_read, held = os.pipe()
    ready, ready_write = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CREDIT_DESK_PARENT_PIPE_FD": str(pipe_read),
            "CREDIT_DESK_READY_FD": str(ready_write),
        },
        pass_fds=(pipe_read, ready_write),
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(pipe_read)
    os.close(ready_write)
    tie.append(Tied(child, held, ready))
    return tie[-1]


def test_a_child_says_ready_with_one_byte_and_closes_the_pipe(tie: list[Tied]) -> None:
    tied = started(WAITS, tie)

    assert tied.says_ready() == b"1"
    assert tied.says_ready() == b""
    assert tied.child.poll() is None
    os.close(tied.held)


def test_a_child_ends_when_its_supervisor_is_gone(tie: list[Tied]) -> None:
    tied = started(WAITS, tie)
    tied.says_ready()

    os.close(tied.held)

    assert tied.child.wait(timeout=3) == -signal.SIGTERM


def test_a_child_leaves_ctrl_c_to_its_supervisor(tie: list[Tied]) -> None:
    tied = started(WAITS, tie)
    tied.says_ready()

    tied.child.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        tied.child.wait(timeout=0.5)
    os.close(tied.held)

    assert tied.child.wait(timeout=3) == -signal.SIGTERM


def test_a_child_may_end_in_good_order_when_its_supervisor_is_gone(tie: list[Tied]) -> None:
    tied = started(ENDS_IN_GOOD_ORDER, tie)
    tied.says_ready()

    os.close(tied.held)

    assert tied.child.wait(timeout=3) == 7


def test_a_child_that_does_not_listen_is_gone_after_four_seconds(tie: list[Tied]) -> None:
    tied = started(IGNORES_SIGTERM, tie)
    tied.says_ready()
    cut = time.monotonic()

    os.close(tied.held)

    assert tied.child.wait(timeout=8) == 1
    assert 3.5 <= time.monotonic() - cut < 6


def test_a_childs_own_children_know_nothing_of_the_parent_pipe(tie: list[Tied]) -> None:
    tied = started(TELLS_ITS_CHILDS_ENVIRONMENT, tie)

    output, _ = tied.child.communicate(timeout=30)

    assert output == "False False\n"
    os.close(tied.held)


def test_a_process_started_by_hand_has_no_parent_pipe_and_just_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDIT_DESK_PARENT_PIPE_FD", raising=False)
    monkeypatch.delenv("CREDIT_DESK_READY_FD", raising=False)
    by_hand = subprocess.run(
        [
            sys.executable,
            "-c",
            "from flows.runtime.host import parent_pipe;"
            " parent_pipe.exit_with_parent(); parent_pipe.notify_ready();"
            " import threading; print(threading.active_count())",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert by_hand.stdout == "1\n"


def test_ready_does_not_fail_when_the_supervisor_no_longer_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    monkeypatch.delenv("CREDIT_DESK_PARENT_PIPE_FD", raising=False)
    monkeypatch.setenv("CREDIT_DESK_READY_FD", str(write_end))

    parent_pipe.notify_ready()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(write_end)
