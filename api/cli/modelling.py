"""What risk teams do without a running desk: synthetic portfolios."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options

if TYPE_CHECKING:
    from data.contracts.synthetic import PortfolioManifest


def synthesize(
    rows: Annotated[int, typer.Option("--n", min=1, metavar="N", help="How many applications.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write them.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same file.")] = 1,
    bad_share: Annotated[
        float, typer.Option("--bad-share", min=0, max=1, help="The share of rows with a fault.")
    ] = 0.0,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day; the personas' by default."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a synthetic portfolio with a known share of each branch of underwriting."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from api.cli.output import print_json, print_table
    from data.synthetic.builder import AS_OF
    from tools.modelling.synthesize import Recipe, synthesize

    day = as_of.date() if as_of else AS_OF
    recipe = Recipe(rows, seed, day, Decimal(str(bad_share)))
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Applications", total=rows)
        manifest = synthesize(out, recipe, lambda: progress.advance(bar))
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    print_table(
        ("Made for", "Ends as", "Rows", "Share", "Planned"), table_rows(manifest), empty="No rows"
    )
    typer.echo(f"{out}: {manifest.rows:,} rows as of {day}, sha256 {manifest.sha256}")


def table_rows(manifest: PortfolioManifest) -> list[tuple[str, ...]]:
    """A line for each branch and each kind of fault. Branch shares are of the good rows."""
    lines: list[tuple[str, ...]] = [
        (
            branch.name,
            f"waits at {branch.gate}" if branch.gate else str(branch.recommendation),
            str(len(branch.lines)),
            f"{branch.share_of(manifest.good_rows):.1%}",
            f"{branch.planned_share:.1%}",
        )
        for branch in manifest.branches
    ]
    return lines + [
        (fault.kind, f"rejected, {fault.code}", str(len(fault.lines)), "", "")
        for fault in manifest.faults
    ]
