"""The end of the demonstration: two hundred applications as one batch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

from api.cli.batch_following import follow_to_last_row, keep_results, result_lines
from api.cli.client import DeskClient
from api.cli.files import make_folder
from tools.modelling.synthesize import Recipe, synthesize

ROWS = 200
SEED = 1


async def underwrite_portfolio(desk: DeskClient, folder: Path, rows: int = ROWS) -> None:
    """Make a small portfolio in the folder, underwrite it, and show the table of its results.

    A later demonstration finds the file and its batch, and shows the rulings of that day.
    """
    file = folder / "applications.jsonl"
    if not file.exists():
        await asyncio.to_thread(synthesize, folder, Recipe(rows, SEED))
    typer.echo(f"\nA portfolio of {rows} applications, as one batch")
    results = folder / "results"
    make_folder(results)
    started = await desk.upload("/batches", file, {})
    await follow_to_last_row(desk, started["batch_id"], as_json=False)
    summary = await keep_results(desk, started["batch_id"], results)
    typer.echo("\n".join(result_lines(summary, results)))
