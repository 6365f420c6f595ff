"""The workflow's map from the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.cli import options
from api.cli.asking import ask


class Form(StrEnum):
    SVG = "svg"
    DOT = "dot"
    JSON = "json"


def graph(
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Show the states of this run.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here instead of to stdout.")
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="By default what --out ends in, else svg.")
    ] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Draw the workflow's map, with the live states of a run."""
    from api.cli.files import write_file

    chosen = Form.JSON if as_json else form or _form_of(out)
    path = f"/workflow/graph.{chosen.value}"
    drawn = ask(api, home, lambda desk: desk.text(path, run_id=run))
    if out is None:
        typer.echo(drawn)
        return
    write_file(out, drawn)
    if not as_json:
        typer.echo(f"Wrote {out}")


def _form_of(out: Path | None) -> Form:
    known = {f".{form.value}": form for form in Form}
    return known.get(out.suffix, Form.SVG) if out else Form.SVG
