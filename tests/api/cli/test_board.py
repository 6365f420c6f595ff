"""The board: the inbox and the runs on one screen, live on a terminal, once elsewhere."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from api.cli.client import DeskClient
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID
from tests.api.journals import a_run, tell
from tests.desk import ROOT
from tests.flows.runtime.ledger.test_reviews import asked
from tests.processes import ending


async def waiting(ledger: Ledger) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_STARTED, status=RunStatus.WAITING)
    await asked(ledger, RUN_ID)


def command(url: str) -> list[str]:
    return [sys.executable, "-m", "api.cli", "board", "--api", url]


def test_without_a_terminal_the_board_is_printed_once(url: str) -> None:
    shown = subprocess.run(command(url), cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "None waits." in shown.stdout
    assert "ada-prime" in shown.stdout


def test_on_a_terminal_the_board_stays_and_ctrl_c_leaves_the_screen_clean(url: str) -> None:
    ours, theirs = pty.openpty()
    with ending(
        subprocess.Popen(
            command(url),
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    ) as process:
        os.close(theirs)
        seen = until(ours, b"Runs")
        process.send_signal(signal.SIGINT)
        seen += rest_of(ours)
        process.wait(timeout=20)

    assert b"Inbox" in seen
    assert b"Traceback" not in seen
    assert seen.rindex(b"\x1b[?1049l") > seen.index(b"\x1b[?1049h")  # back on the screen of before


async def test_the_inbox_tells_the_board_when_it_changes(url: str, ledger: Ledger) -> None:
    async with DeskClient(url) as desk, asyncio.timeout(30):
        news = desk.inbox_news()
        first = await anext(news)
        await waiting(ledger)
        second = await anext(news)
        await news.aclose()

    assert (first, second) == (0, 1)


def until(terminal: int, wanted: bytes) -> bytes:
    seen, deadline = b"", time.monotonic() + 30
    while wanted not in seen:
        if time.monotonic() > deadline:
            pytest.fail(f"the board does not show {wanted!r}")
        seen += os.read(terminal, 65_536)
    return seen


def rest_of(terminal: int) -> bytes:
    seen = b""
    with suppress(OSError):  # the other end is closed
        while piece := os.read(terminal, 65_536):
            seen += piece
    return seen
