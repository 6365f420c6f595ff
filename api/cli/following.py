"""Follow one run to its end: bars on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, aclosing
from typing import Any

import typer
from rich.console import Console
from rich.live import Live

from api.cli.client import DeskClient
from api.cli.demo.board import Board, stages_of
from api.cli.output import (
    event_line,
    fitted,
    print_json,
    print_lines,
    run_lines,
    trace_lines,
    waiting_lines,
)
from data.contracts.events import Event, EventType

_GOOD_END = "completed"


async def show_run(
    desk: DeskClient, run: dict[str, Any], lines: Sequence[str], *, follow: bool, as_json: bool
) -> None:
    """Follow a run to its end; without `follow`, print it: as JSON, or the lines for people."""
    if follow:
        await follow_to_end(desk, run["run_id"], as_json=as_json)
    elif as_json:
        print_json(run)
    else:
        print_lines(lines)


async def follow_to_end(desk: DeskClient, run_id: str, *, as_json: bool) -> None:
    """Show a run's events as they happen, then its result, and the trace: where an error was told.

    Exits with 1 when the run failed or was cancelled. As JSON, every line is one event.
    """
    failed_in = ""
    with ExitStack() as shown:
        show = await _display(desk, run_id, shown, as_json=as_json)
        async with aclosing(desk.follow(run_id)) as events:
            async for event in events:
                show(event)
                failed_in = event.span_id if event.type is EventType.ERROR else failed_in
    run = await desk.get(f"/runs/{run_id}")
    if not as_json:
        print_lines([*run_lines(run), *trace_lines(run, failed_in)])
    if run["status"] != _GOOD_END:
        raise typer.Exit(1)


async def _display(
    desk: DeskClient, run_id: str, shown: ExitStack, *, as_json: bool
) -> Callable[[Event], None]:
    """How to show one event. A live display stays open as long as the stack."""
    if as_json:
        return lambda event: typer.echo(event.model_dump_json())
    if not sys.stdout.isatty():
        return lambda event: typer.echo("\n".join([event_line(event), *_next_step(event)]))
    run: dict[str, Any] = await desk.get(f"/runs/{run_id}")
    board = Board(
        f"{run['application_id']}  {run_id}", stages_of(await desk.get("/workflow/graph.json"))
    )
    live = shown.enter_context(Live(board, console=Console(), refresh_per_second=8))

    def show(event: Event) -> None:
        board.apply(event)
        for line in _next_step(event):
            shown_line = fitted(line, live.console.width)
            live.console.print(shown_line, markup=False, highlight=False, soft_wrap=True)

    return show


def _next_step(event: Event) -> list[str]:
    """The commands for a run that waits, from another terminal; empty for other events."""
    if event.type is not EventType.WAITING:
        return []
    return waiting_lines(event.run_id, event.meta)
