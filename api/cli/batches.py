"""Batches from the command line: underwrite a portfolio, follow it, keep its results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options
from api.cli.asking import ask
from api.cli.interrupted import on_ctrl_c

if TYPE_CHECKING:
    from api.cli.client import DeskClient


def batch(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The portfolio: .jsonl, .csv or .parquet.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for decisions, rejects, summary.")
    ],
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="Decide all applications as of this date."),
    ] = None,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write decisions.parquet too (extra `parquet`).")
    ] = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Underwrite a portfolio. The same file again finds the same batch and its rulings of today.

    Ctrl-C asks the batch to stop; submit the file again to go on.
    """
    from api.cli.files import make_folder
    from data.contracts.errors import ContractViolationError

    if not file.is_file():
        raise ContractViolationError(f"there is no file {file}")
    if parquet:
        from flows.portfolio.decisions_table import require_installed, write_table

        require_installed()
    make_folder(out)  # before the desk does the work
    chosen = {"as_of_date": as_of} if as_of else {}

    async def underwrite(desk: DeskClient) -> None:
        from api.cli.batch_following import (
            asking_to_stop,
            follow_to_last_row,
            keep_results,
            result_lines,
        )
        from api.cli.output import print_json

        afterwards.said = (
            "It is not known whether the desk has the portfolio: `credit-desk batches` shows it."
        )
        started = await desk.upload("/batches", file, chosen)
        batch_id = started["batch_id"]
        afterwards.said = "The batch is with the desk: `credit-desk batches` shows it."
        with asking_to_stop(desk, batch_id):
            await follow_to_last_row(desk, batch_id, as_json=as_json)
        summary = await keep_results(desk, batch_id, out)
        if parquet:
            write_table(out)
        if as_json:
            print_json(summary)
        else:
            typer.echo("\n".join(result_lines(summary, out)))
        if summary["status"] in {"failed", "cancelled"}:
            raise typer.Exit(1)

    with on_ctrl_c("Nothing was submitted.") as afterwards:
        ask(api, home, underwrite)


def list_batches(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """List batches, newest first."""
    from api.cli.output import print_json, print_table

    page = ask(api, home, lambda desk: desk.get("/batches", limit=limit))
    if as_json:
        print_json(page)
        return
    print_table(
        ("Batch", "File", "Status", "Rows", "Rejected", "Referred", "Since"),
        [
            (
                found["batch_id"],
                found["file_name"],
                found["status"],
                f"{found['totals']['rows']:,}",
                f"{found['totals']['rejected']:,}",
                f"{found['totals']['statuses'].get('referred', 0):,}",
                found["created_at"][:16].replace("T", " "),
            )
            for found in page["items"]
        ],
        empty="No batches yet: `credit-desk batch FILE --out DIR` starts one.",
        spare=("Since", "Rejected"),
    )
