"""Clients of event streams see every event once, in order, though their connection breaks."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse
from playwright.async_api import Browser

from api.security.keys import KeyFile
from data.contracts.events import TERMINAL, EventType
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger import journal
from flows.runtime.ledger.database import Ledger
from tests.api.cli.conftest import serving
from tests.api.desks import RUN_ID, FakeDesk
from tests.api.journals import a_run, tell
from tests.breaking_proxy import breaking_proxy
from tests.node import node_program, without_node

ROOT = Path(__file__).parents[2]
EVENTS = f"/runs/{RUN_ID}/events"
NAMES = ["run.error" if kind is EventType.ERROR else kind.value for kind in EventType]
COLLECT = """
(url, names) => new Promise((resolve) => {
  const seen = [];
  const source = new EventSource(url);
  for (const name of names)
    source.addEventListener(name, (frame) => {
      seen.push([frame.lastEventId, frame.type, frame.data]);
      if (name === "run.completed") { source.close(); resolve(seen); }
    });
})
"""
NPM_PACKAGE = "eventsource@4"

Seen = list[list[str]]


@pytest.fixture
def ledger(tmp_path: Path, empty_ledger: Path) -> Any:
    with Ledger(f"sqlite:///{shutil.copy(empty_ledger, tmp_path / 'ledger.db')}") as opened:
        yield opened


@pytest.fixture
async def journaled(ledger: Ledger) -> Seen:
    """The journal of an ended run with every type of event: id, name of the frame, data."""
    await a_run(ledger)
    await tell(ledger, RUN_ID, *(kind for kind in EventType if kind not in TERMINAL))
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)
    bodies = await ledger.read(journal.read, RUN_ID)
    types = [json.loads(body)["type"] for body in bodies]
    names = ["run.error" if kind == "error" else kind for kind in types]
    return [[str(number), *row] for number, row in enumerate(zip(names, bodies, strict=True), 1)]


@pytest.fixture
def node_modules(tmp_path: Path) -> Path:
    """A folder in which node finds the EventSource of npm."""
    what = "the EventSource of npm was not tested"
    node_program("node", what)
    install = [node_program("npm", what), "install", "--no-audit", "--no-fund", NPM_PACKAGE]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, check=False).returncode:
        without_node(f"NO {NPM_PACKAGE}", what)
    return tmp_path


# -- parsers -----------------------------------------------------------------------------------


async def test_chromium_sees_the_journal_over_a_break(
    browser: Browser, ledger: Ledger, journaled: Seen
) -> None:
    page = await browser.new_page()
    with serving(FakeDesk(ledger)) as url:
        async with breaking_proxy(url) as proxy:
            await page.goto(f"{proxy.url}/docs")
            seen = await page.evaluate(
                f"([url, names]) => ({COLLECT})(url, names)", [EVENTS, NAMES]
            )
            await page.close()

    assert seen == journaled
    assert proxy.broken == 1
    assert 0 < proxy.asked_after[1] < len(journaled)


async def test_the_eventsource_of_npm_sees_the_journal_over_a_break(
    node_modules: Path, ledger: Ledger, journaled: Seen
) -> None:
    program = node_modules / "follow.mjs"
    with serving(FakeDesk(ledger)) as url:
        async with breaking_proxy(url) as proxy:
            program.write_text(
                "import { EventSource } from 'eventsource';\n"
                f"const seen = await ({COLLECT.strip()})('{proxy.url}{EVENTS}', {NAMES});\n"
                "console.log(JSON.stringify(seen));\n"
            )
            process = await asyncio.create_subprocess_exec(
                "node", program, stdout=asyncio.subprocess.PIPE
            )
            told, _ = await asyncio.wait_for(process.communicate(), 30)

    assert json.loads(told) == journaled
    assert proxy.broken == 1
    assert 0 < proxy.asked_after[1] < len(journaled)


async def test_httpx_sse_sees_the_journal_over_a_break(ledger: Ledger, journaled: Seen) -> None:
    def follow(url: str) -> Seen:
        seen: Seen = []
        with httpx.Client(base_url=url) as api:
            while len(seen) < len(journaled):
                last = {"Last-Event-ID": seen[-1][0]} if seen else {}
                try:
                    with connect_sse(api, "GET", EVENTS, headers=last) as stream:
                        frames = (frame for frame in stream.iter_sse() if frame.data)
                        seen.extend([frame.id, frame.event, frame.data] for frame in frames)
                except httpx.TransportError:
                    continue
        return seen

    with serving(FakeDesk(ledger)) as url:
        async with breaking_proxy(url) as proxy:
            seen = await asyncio.wait_for(asyncio.to_thread(follow, proxy.url), 30)

    assert seen == journaled
    assert proxy.broken == 1
    assert 0 < proxy.asked_after[1] < len(journaled)


# -- the clients of ARCHITECTURE.md ------------------------------------------------------------


def block(language: str) -> str:
    """The client in a language, as the page shows it."""
    chapter = (ROOT / "ARCHITECTURE.md").read_text().split("\n## Clients\n")[1].split("\n## ")[0]
    [found] = re.findall(rf"```{language}\n(.*?)```", chapter, re.DOTALL)
    return str(found)


async def test_the_python_client_of_the_page_sees_the_journal_over_a_break(
    ledger: Ledger, journaled: Seen, tmp_path: Path
) -> None:
    names: dict[str, Any] = {"__name__": "client"}
    exec(compile(block("python"), "ARCHITECTURE.md", "exec"), names)  # noqa: S102
    _, token = KeyFile(tmp_path / "keys.json").create("vera", ["viewer"])

    def follow(url: str) -> list[int]:
        with httpx.Client(base_url=url, headers={"X-API-Key": token}) as api:
            return [event.id for event in names["follow"](api, RUN_ID)]

    with serving(FakeDesk(ledger), Settings(home=tmp_path)) as url:
        async with breaking_proxy(url) as proxy:
            seen = await asyncio.wait_for(asyncio.to_thread(follow, proxy.url), 30)

    assert seen == list(range(1, len(journaled) + 1))
    assert proxy.broken == 1


async def test_the_javascript_client_of_the_page_sees_the_journal_from_another_origin(
    browser: Browser, ledger: Ledger, journaled: Seen, tmp_path: Path
) -> None:
    _, token = KeyFile(tmp_path / "keys.json").create("vera", ["viewer"])
    page = await browser.new_page()
    async with an_empty_page() as origin:
        settings = Settings(home=tmp_path, cors_origins=(origin,))
        with serving(FakeDesk(ledger), settings) as url:
            async with breaking_proxy(url) as proxy:
                await page.goto(origin)
                seen = await page.evaluate(
                    f"""async ([api, key, run]) => {{
                      {block("js")}
                      const seen = [];
                      await follow(api, key, run, (event) => seen.push(event));
                      return seen;
                    }}""",
                    [proxy.url, token, RUN_ID],
                )
                await page.close()

    assert seen == [json.loads(body) for _, _, body in journaled]
    assert proxy.broken == 1


@asynccontextmanager
async def an_empty_page() -> AsyncIterator[str]:
    """The origin of a site that has one empty page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
