"""The workflow's map from the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options
from api.cli.asking import ask

if TYPE_CHECKING:
    from api.cli.client import DeskClient


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

    async def draw(desk: DeskClient) -> str:
        return await desk.text(path, run_id=run and await desk.run_id(run))

    drawn = ask(api, home, draw)
    if out is None:
        typer.echo(drawn)
        return
    write_file(out, drawn)
    if not as_json:
        typer.echo(f"Wrote {out}")


def _form_of(out: Path | None) -> Form:
    """The form that a file's name ends in. Raises ContractViolationError for another ending."""
    from data.contracts.errors import ContractViolationError

    if out is None:
        return Form.SVG
    try:
        return Form(out.suffix.removeprefix(".").lower())
    except ValueError:
        endings = ", ".join(f".{form.value}" for form in Form)
        raise ContractViolationError(
            f"the map is drawn as {endings}: let --out end in one of them, or name it with --format"
        ) from None
