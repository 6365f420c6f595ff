"""`show`: a case on one screen, with what a reviewer needs to answer it."""

from __future__ import annotations

import sys
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
    from api.cli.output import run_lines, trace_lines

    typer.echo("\n".join(run_lines(run)))
    if request is not None:
        _print_summary(request["review"]["request"]["summary"])
        typer.echo("\n".join(_field_lines(request["schema"])))
    for line in trace_lines(run):
        typer.echo(line)


def _print_summary(summary: str) -> None:
    """The case as the reviewer's form shows it: Markdown, drawn on a terminal."""
    from rich.console import Console
    from rich.markdown import Markdown

    if sys.stdout.isatty():
        Console().print(Markdown(summary))
    else:
        typer.echo(f"\n{summary}\n")


def _field_lines(form: dict[str, Any]) -> list[str]:
    """The fields of an answer, and the values that each one takes."""
    lines = ["An answer has a --reviewer, a --reason, and:"]
    for name, field in form["properties"].items():
        if name not in _SHARED_FIELDS:
            values = ", ".join(filter(None, field.get("enum", ())))
            lines.append(f"  {name:<14}{values or field.get('description', '')}")
    return lines
