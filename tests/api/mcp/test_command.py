"""`credit-desk mcp`: what it refuses before it serves, what it writes to stdout, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.mcp import endpoint
from tests.desk import ROOT, clean_environment
from tests.processes import ending


def test_without_the_extra_the_command_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoint, "find_spec", lambda _name: None)

    ended = CliRunner().invoke(app, ["mcp"])

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "pip install 'credit-desk-lite[mcp]'" in ended.stderr


def test_an_address_that_no_desk_can_have_is_bad_input() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "api.cli", "mcp", "--api", "127.0.0.1:8000"],
        env=clean_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--api takes an address" in ended.stderr


@pytest.fixture
def served(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, which has answered a first message."""
    with ending(
        subprocess.Popen(
            [sys.executable, "-P", "-m", "api.cli", "mcp", "--home", str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            cwd=ROOT,
        )
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"jsonrpc": "2.0", "id": 1, "result": {}}
        yield process
        process.kill()


def test_it_ends_when_its_client_closes_stdin(served: subprocess.Popen[str]) -> None:
    rest, _ = served.communicate("not a message\n", timeout=20)

    assert (served.returncode, rest) == (0, "")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_when_it_is_told_to(
    served: subprocess.Popen[str], sent: signal.Signals
) -> None:
    served.send_signal(sent)

    assert served.wait(timeout=5) == -sent
