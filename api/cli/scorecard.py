"""Scorecards from data: fit one, score with it, and write its model report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from api.cli import options

app = typer.Typer(help="Fit, apply and document scorecards.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", metavar="CSV", help="The rows, with a header.")]
Model = Annotated[Path, typer.Option("--model", metavar="DIR", help="The folder of a fit.")]


@app.command()
def fit(
    data: Data,
    target: Annotated[
        str, typer.Option("--target", metavar="COLUMN", help="The column that says good or bad.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the model goes.")],
    bad: Annotated[
        str | None,
        typer.Option("--bad", metavar="VALUE", help="The target's value of a bad row; see above."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features", metavar="A,B", help="Only these columns; all that may by default."
        ),
    ] = None,
    roles: Annotated[
        Path | None,
        typer.Option("--roles", metavar="FILE", help="YAML: direction, kind, reason of columns."),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option("--attributes", metavar="FILE", help="YAML: a derivation of attributes."),
    ] = None,
    base_rate: Annotated[
        float | None,
        typer.Option("--base-rate", metavar="R", help="The portfolio's own share of bad rows."),
    ] = None,
    challenger: Annotated[
        bool, typer.Option("--challenger/--no-challenger", help="Also fit boosted trees.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", help="The seed of folds and trees.")] = 7,
    version: Annotated[str, typer.Option("--version", help="The version of the model.")] = "1.0.0",
    as_json: options.AsJson = False,
) -> None:
    """Fit a points scorecard on a CSV with a binary target.

    Which value of the target is bad, its words tell: bad, default, charged off.

    Or the column's name does: in `default` yes is bad, in `approved` it is good.

    Otherwise it is a guess: 1 of 0 and 1, 2 of 1 and 2, - of + and -, and yes,
    unless that is most of the rows; then, and of other pairs, the rarer value.

    stderr and the report say which is taken, and why; --bad turns it round.
    """
    from api.cli.output import print_json
    from tools.modelling.derivation import load_derivation
    from tools.modelling.fit import Wanted
    from tools.modelling.roles import load_roles
    from tools.modelling.session import fit_model
    from tools.modelling.table import read_table

    named = [name.strip() for name in features.split(",") if name.strip()] if features else None
    wanted = Wanted(
        target, bad, load_roles(roles) if roles else None, named, seed, version, base_rate
    )
    derivation, table = load_derivation(attributes) if attributes else None, read_table(data)
    if derivation is None:
        _tell_derivations(table.columns)
    summary = fit_model(table, wanted, out, derivation=derivation, with_challenger=challenger)
    for column in summary.left_out:
        typer.echo(f"credit-desk: left out {column.name}: {column.why}", err=True)
    for remark in summary.remarks:
        typer.echo(f"credit-desk: {remark}", err=True)
    if as_json:
        print_json(summary.model_dump(mode="json"))
        return
    for line in summary.lines(out):
        typer.echo(line)


def _tell_derivations(columns: Iterable[str]) -> None:
    """Name the derivations of the desk's data that read these columns, as options to paste."""
    from data.settings import Settings
    from tools.modelling.derivation import derivations_for

    for path in derivations_for(columns, Settings().data_dir / "modelling"):
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        typer.echo(
            "credit-desk: attributes of these columns are declared; to fit on them, add"
            f" --attributes {quote(str(shown))}",
            err=True,
        )


@app.command()
def score(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="CSV", help="The rows with their results.")],
) -> None:
    """Add the probability of default, the score and the reasons to every row of a CSV."""
    from tools.modelling.derivation import derive_table
    from tools.modelling.model_files import read_challenger, read_derivation, read_scorecard
    from tools.modelling.score import write_scored
    from tools.modelling.table import read_table

    card, challenger, table = read_scorecard(model), read_challenger(model), read_table(data)
    for remark in table.remarks:
        typer.echo(f"credit-desk: {remark}", err=True)
    if derivation := read_derivation(model):
        table = derive_table(table, derivation)
    rows = write_scored(out, table, card, challenger)
    typer.echo(f"{out}: {rows:,} rows")


@app.command()
def report(
    model: Model,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The model's folder by default.")
    ] = None,
) -> None:
    """Write the model report of a fit again: Markdown, HTML and plots."""
    from tools.modelling.model_files import read_scorecard, read_validation
    from tools.modelling.report import write_report

    for path in write_report(out or model, read_scorecard(model), read_validation(model)):
        typer.echo(str(path))


@app.command()
def publish(
    model: Model,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The suffix, such as v3.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder `models` of the desk's data.")
    ],
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", metavar="FILE", help="YAML: points that an expert sets."),
    ] = None,
) -> None:
    """Make a fit over the attributes of bureau reports the desk's own, for a bundle to name."""
    from tools.modelling.publish import NO_OVERLAY, load_overlay, publish_model

    judgement = load_overlay(overlay) if overlay else NO_OVERLAY
    for path in publish_model(model, name, out, judgement):
        typer.echo(str(path))
