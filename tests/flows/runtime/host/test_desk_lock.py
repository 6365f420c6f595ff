"""One desk is one folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import flows.runtime
from data.contracts.errors import ConflictError
from flows.runtime.host.desk_lock import DeskLock, free_port, running_desk

ROOT = Path(flows.runtime.__file__).parents[2]
ADDRESSES = {"api_url": "http://127.0.0.1:8123", "prefect_url": "http://127.0.0.1:4321"}
HOLDS = """
import sys, time
from pathlib import Path
from flows.runtime.host.desk_lock import DeskLock
lock = DeskLock(Path(sys.argv[1]))
lock.acquire()
lock.publish(api_url="http://127.0.0.1:8123", prefect_url="http://127.0.0.1:4321")
print("held", flush=True)
time.sleep(60)
"""


def killed_desk(folder: Path) -> int:
    """A desk that ran on the folder and was killed; returns its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as desk:
        assert desk.stdout is not None
        assert desk.stdout.readline() == "held\n"
        desk.send_signal(signal.SIGKILL)
    return desk.pid


def test_a_second_desk_on_the_folder_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    with DeskLock(tmp_path) as first:
        first.publish(**ADDRESSES)

        with pytest.raises(ConflictError) as refusal:
            DeskLock(tmp_path).acquire()

    assert f"pid {os.getpid()}" in str(refusal.value)
    assert "http://127.0.0.1:8123" in str(refusal.value)
    assert "http://127.0.0.1:4321" in str(refusal.value)


def test_a_desk_that_is_still_starting_is_named_by_its_pid(tmp_path: Path) -> None:
    with (
        DeskLock(tmp_path),
        pytest.raises(ConflictError, match=rf"pid {os.getpid()}, still starting"),
    ):
        DeskLock(tmp_path).acquire()


def test_other_commands_find_the_running_desk_by_its_folder(tmp_path: Path) -> None:
    with DeskLock(tmp_path) as lock:
        published = lock.publish(**ADDRESSES)

        found = running_desk(tmp_path)

    assert found == published
    assert found is not None
    assert found.pid == os.getpid()


def test_nothing_is_found_after_a_desk_was_stopped(tmp_path: Path) -> None:
    with DeskLock(tmp_path) as lock:
        lock.publish(**ADDRESSES)

    assert running_desk(tmp_path) is None
    assert not (tmp_path / "desk.json").exists()


def test_nothing_is_found_in_a_folder_that_never_had_a_desk(tmp_path: Path) -> None:
    assert running_desk(tmp_path / "never") is None


def test_a_killed_desk_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    killed_desk(tmp_path)

    assert (tmp_path / "desk.json").exists()
    assert running_desk(tmp_path) is None


def test_the_folder_of_a_killed_desk_can_be_taken_at_once(tmp_path: Path) -> None:
    killed = killed_desk(tmp_path)

    with DeskLock(tmp_path) as lock:
        desk = lock.publish(**ADDRESSES)

    assert desk.pid != killed


def test_two_folders_are_two_desks(tmp_path: Path) -> None:
    with DeskLock(tmp_path / "one"), DeskLock(tmp_path / "other") as other:
        other.publish(**ADDRESSES)

        assert running_desk(tmp_path / "one") is None
        assert running_desk(tmp_path / "other") is not None


def test_a_free_port_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert free_port(port, "127.0.0.1") == port


def test_a_taken_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        found = free_port(port, "127.0.0.1")

    assert port < found <= port + 100


def test_a_port_taken_on_all_addresses_is_passed_over() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]

        assert free_port(port, "127.0.0.1") != port


def test_an_address_that_is_not_this_machines_has_no_free_port() -> None:
    with pytest.raises(ConflictError, match="no free port from 65535"):
        free_port(65535, "192.0.2.1")
