"""What other versions would have decided about many stored applications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options

if TYPE_CHECKING:
    from data.contracts.what_if import WhatIfReport

Versions = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="PART=VERSION",
        help="Another version of policy, prices, scorecard or challenger; may be repeated.",
    ),
]


def what_if(
    versions: Versions,
    runs: Annotated[
        str | None,
        typer.Option(
            "--runs",
            metavar="QUERY",
            help="Decided runs: all, or conditions as since=2026-11-01,outcome=approve,limit=1000.",
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch", metavar="ID", help="The rows of this batch: its id, or how it begins."
        ),
    ] = None,
    portfolio: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The portfolio of the batch, where it lies now."),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="Segments: grade, product, state or channel.")
    ] = "grade",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write Markdown, JSON and plots.")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=0, metavar="N", help="Processes; by default, all processors.")
    ] = 0,
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Decide stored applications again under other versions, without touching them.

    It reads the ledger of the folder; the desk need not run.
    """
    from api.cli.output import print_json
    from data.contracts.errors import ContractViolationError
    from tools.what_if_pages import markdown

    if (runs is None) == (batch is None):
        raise ContractViolationError("name the cases by --runs or by --batch")
    report = _decided(runs, batch, portfolio, pairs(versions), by, processes, home)
    if out is not None:
        write_pages(report, out)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        typer.echo(markdown(report))


def _decided(
    runs: str | None,
    batch: str | None,
    portfolio: Path | None,
    versions: dict[str, str],
    by: str,
    processes: int,
    home: Path | None,
) -> WhatIfReport:
    import os

    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from api.cli.desk_folder import use_desk_folder
    from data.contracts.errors import ContractViolationError

    chosen = use_desk_folder(home)
    from flows.runtime.ledger.database import shared_ledger
    from flows.service.stored_cases import Portion, RunQuery, row_portions, run_portions
    from flows.service.what_if import SegmentBy, WhatIf, decide_all

    if by not in list(SegmentBy):
        raise ContractViolationError(f"--by takes one of {', '.join(SegmentBy)}")
    asked = WhatIf.of(versions, SegmentBy(by))
    portions: list[Portion] = []
    with shared_ledger(chosen.ledger).reading() as connection:
        if runs is not None:
            portions += run_portions(connection, RunQuery.read(runs))
        else:
            portions += row_portions(connection, chosen, batch or "", portfolio)
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Applications", total=sum(map(len, portions)))
        return decide_all(
            f"runs ({runs})" if runs is not None else f"batch {batch}",
            portions,
            asked,
            processes=processes or os.cpu_count() or 1,
            on_done=lambda rows: progress.advance(bar, rows),
        )


def write_pages(report: WhatIfReport, folder: Path) -> None:
    """Write a report as `what-if.md`, `what-if.json` and two plots."""
    from api.cli.files import make_folder, write_file
    from tools.what_if_pages import SEGMENT_PLOT, SWAP_PLOT, markdown, segment_plot, swap_plot

    make_folder(folder)
    write_file(folder / "what-if.md", markdown(report))
    write_file(folder / "what-if.json", report.model_dump_json(indent=2) + "\n")
    write_file(folder / SWAP_PLOT, swap_plot(report))
    write_file(folder / SEGMENT_PLOT, segment_plot(report))


def pairs(given: list[str]) -> dict[str, str]:
    """Raises ContractViolationError for a value without a part."""
    from data.contracts.errors import ContractViolationError

    pairs = [value.partition("=") for value in given]
    if any(not sign or not name for name, sign, _ in pairs):
        raise ContractViolationError("--set takes PART=VERSION, such as policy=personal-loan-2")
    return {name: version for name, _, version in pairs}
