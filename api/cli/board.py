"""The desk on one screen: what waits for people, and the runs that are under way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from api.cli import options
from api.cli.asking import ask

if TYPE_CHECKING:
    from rich.console import RenderableType

    from api.cli.client import DeskClient

LOOK_SECONDS = 2.0
"""How often the runs are read again. The inbox says by itself when it has changed."""

_LISTED = 20
_ACTIVE = ("running", "queued", "waiting", "failed")


def board(api: options.Api = None, home: options.Home = None) -> None:
    """Watch the inbox and the runs, live. Ctrl-C ends the watching alone.

    Without a terminal it prints them once.
    """
    with suppress(KeyboardInterrupt):
        ask(api, home, _watch if sys.stdout.isatty() else _print_once)


async def _print_once(desk: DeskClient) -> None:
    from rich.console import Console

    Console().print(await drawn(desk))


async def _watch(desk: DeskClient) -> None:
    from rich.console import Console
    from rich.live import Live

    changed = asyncio.Event()
    listener = asyncio.create_task(_listen(desk, changed), name="board listens")
    try:
        with Live(await drawn(desk), console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await changed.wait()
                changed.clear()
                live.update(await drawn(desk), refresh=True)
    finally:
        listener.cancel()


async def _listen(desk: DeskClient, changed: asyncio.Event) -> None:
    async with aclosing(desk.inbox_news()) as news:
        async for _ in news:
            changed.set()


async def drawn(desk: DeskClient) -> RenderableType:
    """The inbox above the runs, as two tables."""
    from rich.console import Group
    from rich.text import Text

    inbox = (await desk.get("/inbox", limit=_LISTED))["items"]
    pages = [await desk.get("/runs", status=status, limit=_LISTED) for status in _ACTIVE]
    runs = [run for page in pages for run in page["items"]][:_LISTED]
    return Group(
        Text("Inbox", style="bold"),
        _inbox(inbox),
        Text(""),
        Text("Runs", style="bold"),
        _runs(runs),
    )


def _inbox(items: list[dict[str, Any]]) -> RenderableType:
    from api.cli.reviews import due_in

    columns = ("Run", "Due in", "Gate", "Application", "Claim")
    rows = (
        (
            item["run_id"],
            due_in(item),
            item["gate"],
            item["application_id"],
            (item.get("claim") or {}).get("reviewer", ""),
        )
        for item in items
    )
    return _table(columns, rows, "None waits.")


def _runs(items: list[dict[str, Any]]) -> RenderableType:
    columns = ("Run", "Application", "Status", "Done", "Stage")
    rows = (
        (
            run["run_id"],
            run["application_id"],
            run["status"],
            f"{run['progress']:.0%}",
            run["phase"].replace("_", " "),
        )
        for run in items
    )
    return _table(columns, rows, "No run is under way.")


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], empty: str) -> RenderableType:
    from rich.text import Text

    from api.cli.tables import Listing

    filled = list(rows)
    return Listing(columns, filled, ("Stage", "Claim")) if filled else Text(empty)
