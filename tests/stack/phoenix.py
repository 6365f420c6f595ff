"""Arize Phoenix from the package index: a receiver of traces that is not ours."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.desk import clean_environment, unused_port

REQUIREMENT = "arize-phoenix==20.26.1"
_READY_SECONDS = 180.0


@dataclass(frozen=True)
class PhoenixSpan:
    """One span as Phoenix shows it."""

    span_id: str
    parent_id: str | None
    name: str
    kind: str
    """What Phoenix takes it for: AGENT, TOOL, or UNKNOWN."""
    attributes: dict[str, Any]

    @classmethod
    def of(cls, told: dict[str, Any]) -> PhoenixSpan:
        return cls(
            told["context"]["span_id"],
            told["parent_id"],
            told["name"],
            told["span_kind"],
            told["attributes"],
        )


@dataclass(frozen=True)
class Phoenix:
    """A Phoenix that is running."""

    url: str

    def trace(self, trace_id: str) -> list[PhoenixSpan]:
        """Every span of a trace that has arrived so far."""
        asked = {"trace_id": trace_id, "limit": "1000"}
        answer = httpx.get(f"{self.url}/v1/projects/default/spans", params=asked, timeout=30)
        return [PhoenixSpan.of(told) for told in answer.raise_for_status().json()["data"]]


def program(folder: Path) -> Path:
    """The program `phoenix`: named in the environment, or installed into a venv of its own.

    It is never installed into ours, whose versions it would change. Skips where it cannot be had.
    """
    if named := os.environ.get("CREDIT_DESK_TEST_PHOENIX"):
        return Path(named)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    installed = subprocess.run([*pip, "install", REQUIREMENT], capture_output=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"NO PHOENIX: {REQUIREMENT} could not be installed")
    return folder / "bin" / "phoenix"


@contextmanager
def running(phoenix: Path, folder: Path) -> Iterator[Phoenix]:
    """Phoenix on free ports of this machine, until the block ends; the folder has its database."""
    port, grpc_port = unused_port(), unused_port()
    folder.mkdir()
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [phoenix, "serve"],
            env={name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
            | {
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(port),
                "PHOENIX_GRPC_PORT": str(grpc_port),
                "PHOENIX_WORKING_DIR": str(folder),
                "PHOENIX_TELEMETRY_ENABLED": "false",
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(process, url, folder / "log")
        yield Phoenix(url)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/v1/projects", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"Phoenix does not answer:\n{log.read_text()}")
