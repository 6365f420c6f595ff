"""The results of a case: the record of the decision, and the letter to the applicant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options
from api.cli.asking import ask

if TYPE_CHECKING:
    from api.cli.client import DeskClient

Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing.")
]


def decision(
    run_id: options.RunId,
    out: Out = None,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Print a run's decision in its envelope, as JSON."""
    from api.cli.output import as_lines

    record = ask(api, home, lambda desk: desk.get(f"/runs/{run_id}/decision"))
    _hand_out(as_lines(record), out)


Applicant = Annotated[
    str, typer.Option("--applicant", help="Whose letter: `primary` or `co`; each has one.")
]
AsPage = Annotated[bool, typer.Option("--html", help="As a page that prints, instead of text.")]


def notice(
    run_id: options.RunId,
    applicant: Applicant = "primary",
    out: Out = None,
    as_page: AsPage = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Print the letter to an applicant as it was sent, as text."""
    from api.cli.output import as_lines

    path = f"/runs/{run_id}/notice"

    async def read(desk: DeskClient) -> str:
        if as_json:
            return as_lines(await desk.get(path, applicant=applicant))
        form = "text/html" if as_page else "text/plain"
        return await desk.letter(path, form, applicant=applicant)

    _hand_out(ask(api, home, read), out)


def _hand_out(text: str, out: Path | None) -> None:
    """Print a text, or write it to a file."""
    from api.cli.files import write_file

    if out is None:
        typer.echo(text, nl=False)
    else:
        write_file(out, text)
