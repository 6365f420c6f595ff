"""Options that several commands share."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

Api = Annotated[str | None, typer.Option("--api", metavar="URL", help="Address of the desk's API.")]
Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The desk's folder; .credit-desk by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else.")]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The run's id, the first characters of it, or its application's id."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A field of the form; may be repeated. `credit-desk show` lists the fields.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help=(
            "What differs in the what-if, for example amount_requested=9000; may be repeated. Keys:"
            " amount_requested, term_months, as_of_date, fan_out_policy, policy, prices,"
            " scorecard, challenger."
        ),
    ),
]
Follow = Annotated[bool, typer.Option("--follow", help="Show the events of the run, to its end.")]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        metavar="KEY",
        help="The API key for the desk; better set it as CREDIT_DESK_API_KEY.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from data.version import code_version

        typer.echo(f"credit-desk {code_version()}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
    ),
]

given_key: ContextVar[str] = ContextVar("given_key", default="")
"""The key of the current command line."""
