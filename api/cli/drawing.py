"""The workflow's map from the command line."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.cli import options


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
    from api.cli.client import find_desk
    from data.contracts.errors import ContractViolationError

    chosen = Form.JSON if as_json else form or _form_of(out)

    async def asked() -> str:
        async with find_desk(api, home) as desk:
            return await desk.text(f"/workflow/graph.{chosen.value}", run_id=run)

    drawn = asyncio.run(asked())
    if out is None:
        typer.echo(drawn)
        return
    try:
        out.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise ContractViolationError(f"{out} cannot be written: {error.strerror}") from None
    if not as_json:
        typer.echo(f"Wrote {out}")


def _form_of(out: Path | None) -> Form:
    known = {f".{form.value}": form for form in Form}
    return known.get(out.suffix, Form.SVG) if out else Form.SVG
