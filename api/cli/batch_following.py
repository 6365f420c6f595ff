"""Follow a batch until every row is done, and keep its results in files of their owner alone."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from api.cli.client import DeskClient
from api.cli.output import event_line, trace_lines
from data.contracts.batch import BatchSummary
from data.contracts.errors import CreditDeskError
from data.contracts.events import TERMINAL, Event, EventType
from flows.portfolio.files import DECISIONS, REJECTS, write_as_it_comes, write_summary


async def follow_to_last_row(desk: DeskClient, batch_id: str, *, as_json: bool) -> None:
    """Show the progress of a batch until all rows are done, or it has ended.

    People may still have to rule on referred cases then.
    """
    with _display(as_json=as_json) as show:
        async for event in desk.follow_batch(batch_id):
            show(event)
            if event.type is EventType.WAITING or event.type in TERMINAL:
                # A batch that goes on has earlier ends in its journal.
                status = (await desk.get(f"/batches/{batch_id}"))["status"]
                if status not in {"queued", "running"}:
                    return


async def keep_results(desk: DeskClient, batch_id: str, out: Path) -> Any:
    """Write the results of a batch into a folder that is there; returns its summary."""
    for name, part in ((DECISIONS, "decisions"), (REJECTS, "rejects")):
        await write_as_it_comes(out / name, desk.pieces(f"/batches/{batch_id}/{part}"))
    summary = await desk.get(f"/batches/{batch_id}")
    write_summary(BatchSummary.model_validate(summary), out)
    return summary


def result_lines(summary: dict[str, Any], out: Path) -> list[str]:
    """A batch in a few lines: how it ended, its totals, where its results lie."""
    totals, reviews = summary["totals"], summary["reviews"]
    lines = [f"Batch {summary['batch_id']}: {summary['status']}"]
    if summary["error"]:
        lines.append(f"  {summary['error']['message']}")
    lines += [
        f"  line {fault['line']}, {fault['field'] or '/'}: {fault['message']}"
        for fault in summary["faults"]
    ]
    if summary["taken_over"]:
        lines.append(f"  {summary['taken_over']} chunks were finished before, and taken over")
    lines.append(
        f"  {totals['rows']:,} rows in {summary['seconds']:,.1f} s"
        f" ({summary['rows_per_second']:,.0f} a second), {totals['rejected']:,} rejected"
    )
    judged = sum(totals["recommendations"].values()) or 1
    lines += [
        f"  {name.replace('_', ' '):<14}{count:>9,}  {count / judged:>6.1%}"
        for name, count in sorted(totals["recommendations"].items(), key=lambda pair: -pair[1])
    ]
    waiting = reviews["pending"] + reviews["open"]
    if waiting:
        lines.append(f"  {waiting:,} cases wait for people: `credit-desk inbox`")
    lines += [f"  {line}" for line in trace_lines(summary)]
    lines.append(f"  Results: {out}")
    return lines


@contextmanager
def asking_to_stop(desk: DeskClient, batch_id: str) -> Iterator[None]:
    """Turn the first Ctrl-C into a request to cancel the batch; the second one ends this program.

    Only for a program that does nothing else. After the block, Ctrl-C does what it did before.
    """
    loop, asked = asyncio.get_running_loop(), []
    before = signal.getsignal(signal.SIGINT)

    async def cancel() -> None:
        with suppress(CreditDeskError):  # every row is done meanwhile
            await desk.post(f"/batches/{batch_id}/cancel", b"")

    def put_back() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)

    def on_signal() -> None:
        typer.echo("Asking the batch to stop after the chunks under way …", err=True)
        asked.append(asyncio.ensure_future(cancel()))
        put_back()

    loop.add_signal_handler(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        put_back()


@contextmanager
def _display(*, as_json: bool) -> Iterator[Callable[[Event], None]]:
    """How to show an event: a bar on a terminal, lines elsewhere, nothing for programs."""
    if as_json:
        yield lambda _: None
    elif not sys.stdout.isatty():
        yield lambda event: typer.echo(event_line(event))
    else:
        with _bar() as bar:
            task = bar.add_task("rows", total=1.0, rate="", left="")
            yield lambda event: bar.update(task, completed=event.progress, **_figures(event))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(complete_style="cyan", finished_style="green"),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(),
    )


def _figures(event: Event) -> dict[str, Any]:
    rate, left = event.meta.get("rows_per_second"), event.meta.get("seconds_left")
    return {
        "description": event.message,
        **({"rate": f"{rate:,.0f} rows/s"} if rate else {}),
        **({"left": f"{left:,.0f} s left" if left else ""} if left is not None else {}),
    }
