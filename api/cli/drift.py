"""Drift and outcomes, from the ledger: the desk may be down."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options
from api.cli.errors import DeskGroup

if TYPE_CHECKING:
    from data.contracts.drift import DriftReport
    from flows.runtime.ledger.database import Ledger

app = typer.Typer(
    cls=DeskGroup, no_args_is_help=True, help="What became of the loans that the desk has granted."
)

_DAY = ["%Y-%m-%d"]


def drift(
    since: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="First day; 30 days before the last.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="The first day after the period.")
    ] = None,
    baseline_since: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="First day of what it is compared with.")
    ] = None,
    baseline_until: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="The first day after it; --since.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the page here as well.")
    ] = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Compare what decisions are based on in two periods, and forecasts with outcomes."""
    from api.cli.files import write_file
    from api.cli.output import print_json
    from data.contracts.drift import DriftTerms
    from flows.drift_report import Periods, drift_report
    from tools.modelling.drift_page import drift_page

    days = (since, until, baseline_since, baseline_until)
    periods = Periods.of(*(day.date() if day else None for day in days))
    with _ledger(home) as ledger, ledger.reading() as connection:
        report = drift_report(connection, periods, DriftTerms())
    if out is not None:
        write_file(out, drift_page(report))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report)


@app.command(name="import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV: application_id, outcome (good, bad), date.")],
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Import what became of loans. A newer report of an application replaces an older one."""
    from api.cli.output import print_json
    from flows.drift_report import import_outcomes
    from tools.modelling.outcomes_file import read_outcomes

    reported = read_outcomes(file, _today())
    with _ledger(home) as ledger, ledger.writing() as connection:
        done = import_outcomes(connection, reported)
    if as_json:
        print_json(done.model_dump(mode="json"))
        return
    typer.echo(
        f"{done.rows:,} rows: {done.new:,} new, {done.replaced:,} replaced,"
        f" {done.unchanged:,} unchanged, {done.undecided:,} left out, which this desk has not"
        f" decided; {done.without_forecast:,} were decided without a probability of default"
    )


def _show(report: DriftReport) -> None:
    from api.cli.output import print_table
    from tools.modelling.drift_page import (
        BAND_COLUMNS,
        COLUMNS,
        band_rows,
        calibration_line,
        drift_rows,
        period_line,
    )

    print_table(COLUMNS, drift_rows(report), empty="The baseline has no decisions.", headed=True)
    typer.echo(period_line(report))
    typer.echo(calibration_line(report.calibration))
    if report.calibration.bands:
        print_table(BAND_COLUMNS, band_rows(report.calibration), empty="", headed=True)


def _ledger(home: Path | None) -> Ledger:
    """The desk's ledger. Raises RecordNotFoundError where there is no desk."""
    from api.cli.client import chosen_settings
    from data.contracts.errors import RecordNotFoundError
    from flows.runtime.ledger.database import shared_ledger

    chosen = chosen_settings(home=home)
    if not chosen.ledger_url and not (chosen.folder / "ledger.db").is_file():
        raise RecordNotFoundError(f"there is no desk in {chosen.folder}")
    return shared_ledger(chosen.ledger)


def _today() -> date:
    return datetime.now().astimezone().date()
