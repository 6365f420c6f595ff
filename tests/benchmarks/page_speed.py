"""How quick the desk's page is: its first paint, a run with many events, and many events live."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from playwright.async_api import Browser, Page

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.benchmarks.rows import Row, at_most
from tests.browser.chromium import headless_chromium
from tests.desk import Desk, StartedRun

HISTORY, LIVE = 2_000, 1_000
_PAINTS = 5
_AT_ONCE = 100
"""So many events are written in one transaction: an agent's text comes in pieces."""

_WATCH_FRAMES = """
  window.longest = 0;
  let last = 0;
  requestAnimationFrame(function frame(now) {
    if (last) window.longest = Math.max(window.longest, now - last);
    last = now;
    requestAnimationFrame(frame);
  });
"""
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
_SHOWS = """(count) => document.querySelector('#kind option')?.textContent.includes(`(${count})`)
  && performance.now()"""


async def page_speed(desk: Desk) -> AsyncIterator[Row]:
    """The page in a browser with an empty cache, on a run that waits for a person."""
    run = await desk.start("bora-borderline")
    await run.until(RunStatus.WAITING)
    waiting = await run.until(EventType.WAITING)
    async with headless_chromium() as browser:
        if browser is None:
            raise RuntimeError("this machine has no Chromium")
        paints = sorted([await _first_paint(browser, desk) for _ in range(_PAINTS)])
        yield _row(
            "first_paint", f"inbox, first paint, p50 of {_PAINTS}", paints[_PAINTS // 2], 300
        )
        count = _write(desk, run, waiting.id, HISTORY)
        page = await browser.new_page()
        await page.add_init_script(_WATCH_FRAMES)
        await page.goto(f"{desk.api_url}/run/{run.run_id}", wait_until="commit")
        yield _row(
            "opens",
            f"run with {HISTORY:,} events, until all are shown",
            await _shown(page, count),
            1_000,
        )
        await page.wait_for_timeout(1_000)
        await page.evaluate("window.longest = 0")
        for _ in range(LIVE // _AT_ONCE):
            count = _write(desk, run, count, _AT_ONCE)
        await _shown(page, count)
        longest = float(await page.evaluate("window.longest"))
        yield _row("frames", f"longest frame while {LIVE:,} events arrive", longest, 100)
    await run.answer(gate="underwriter", decision="approve")


async def _first_paint(browser: Browser, desk: Desk) -> float:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(desk.api_url)
    painted = await page.wait_for_function(_PAINTED)
    milliseconds = float(await painted.json_value())
    await context.close()
    return milliseconds


async def _shown(page: Page, count: int) -> float:
    """The milliseconds since the page was asked for, once it shows so many events."""
    found = await page.wait_for_function(_SHOWS, arg=count)
    return float(await found.json_value())


def _write(desk: Desk, run: StartedRun, last: int, count: int) -> int:
    """Write more events of a run past the desk; the number of the last one."""
    numbers = range(last + 1, last + count + 1)
    with sqlite3.connect(desk.home / "ledger.db", timeout=30) as ledger:
        ledger.executemany(
            "insert into events (run_id, id, key, body, chain) values (?, ?, ?, ?, ?)",
            [
                (run.run_id, number, f"bench-{number}", _event(run, number), "c" * 64)
                for number in numbers
            ],
        )
        ledger.execute(
            "update runs set last_event_id = ? where run_id = ?", (numbers[-1], run.run_id)
        )
    return numbers[-1]


def _event(run: StartedRun, number: int) -> str:
    return json.dumps(
        {
            "id": number,
            "run_id": run.run_id,
            "ts": datetime.now(UTC).isoformat(),
            "type": EventType.PROGRESS,
            "phase": "review",
            "status": "running",
            "message": "One step further",
            "progress": 0.8,
            "step_progress": 0.0,
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "span_id": "00f067aa0ba902b7",
            "meta": {},
        }
    )


def _row(name: str, what: str, milliseconds: float, goal: float) -> Row:
    return Row(name=f"page.{name}", what=what, value=milliseconds, unit="ms", goal=at_most(goal))
