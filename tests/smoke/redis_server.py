"""A Redis server of the tests' own, from the binary that the machine has."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.desk import unused_port

_START_SECONDS = 30.0


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A running server, as its URL. Skips, loudly, without a binary."""
    found = shutil.which("redis-server")
    if found is None:
        if os.environ.get("CREDIT_DESK_REQUIRE_REDIS"):
            pytest.fail("CREDIT_DESK_REQUIRE_REDIS is set, and no redis-server was found")
        pytest.skip("NO REDIS SERVER FOUND: several Prefect servers were not tested")
    port = unused_port()
    command = [
        found,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.05)
        else:
            return
