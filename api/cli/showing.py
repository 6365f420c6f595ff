"""`show`: a case on one screen, with what a reviewer needs to answer it."""

from __future__ import annotations

import sys
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask

if TYPE_CHECKING:
    from api.cli.client import DeskClient

Case = Annotated[
    str,
    typer.Argument(
        metavar="CASE", help="An application's id, or a run's id or the first characters of it."
    ),
]

_SHARED_FIELDS = ("reviewer", "reason")
_OPTIONS = {
    "decision": "--decision",
    "amount": "--amount",
    "term_months": "--term",
    "rate": "--rate",
    "reason_code": "--reason-code",
    "document_ids": "--document",
    "waived": "--waive",
}
"""The fields of a form that `answer` has an option for; `--set` takes all others."""


def show(
    case: Case, as_json: options.AsJson = False, api: options.Api = None, home: options.Home = None
) -> None:
    """Show a case: where it stands, why it waits, and what an answer can be."""

    async def read(desk: DeskClient) -> dict[str, Any]:
        run = await desk.get(f"/runs/{case}")
        waits = run["status"] == "waiting"
        return {
            "run": run,
            "request": await desk.get(f"/runs/{run['run_id']}/hitl") if waits else None,
        }

    found = ask(api, home, read)
    if as_json:
        from api.cli.output import print_json

        print_json(found)
    else:
        _print(found["run"], found["request"])


def _print(run: dict[str, Any], request: dict[str, Any] | None) -> None:
    from api.cli.output import (
        answer_command,
        head_line,
        print_lines,
        run_lines,
        trace_lines,
        waits_for,
    )

    if request is None:
        print_lines(run_lines(run))
    else:
        review = request["review"]
        print_lines([head_line(run), waits_for(review["request"])])
        _print_summary(review["request"]["summary"])
        print_lines(["Answer it, for example:", answer_command(run["run_id"], review["gate"])])
        _print_fields(request["schema"])
    print_lines(trace_lines(run))


def _print_summary(summary: str) -> None:
    """The case as the reviewer's form shows it: Markdown, drawn on a terminal."""
    from rich.console import Console

    from api.cli.case_page import case_page

    if sys.stdout.isatty():
        Console().print(case_page(summary))
    else:
        typer.echo(f"\n{summary}\n")


def _print_fields(form: dict[str, Any]) -> None:
    """The options of an answer, and the values that each one takes."""
    from api.cli.output import terminal_width

    given = {
        _OPTIONS.get(name, f"--set {name}=VALUE"): field
        for name, field in form["properties"].items()
        if name not in _SHARED_FIELDS
    }
    typer.echo("An answer has a --reviewer, a --reason, and:")
    indent, width = " " * (max(map(len, given)) + 4), terminal_width()
    for option, field in given.items():
        values = ", ".join(filter(None, field.get("enum", ()))) or field.get("description", "")
        line = f"  {option}{indent[len(option) + 2 :]}{values}"
        typer.echo(line if width is None else fill(line, width, subsequent_indent=indent))
