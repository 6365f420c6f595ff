"""The history of a run: its checkpoints, their differences, and the messages in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask

if TYPE_CHECKING:
    from api.cli.client import DeskClient

_LONGEST = 60
"""Characters of one value in a table. `--json` prints the whole value."""


def checkpoints(
    run_id: options.RunId,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """List a run's checkpoints, in the order they were saved."""
    from api.cli.output import print_json, print_table

    entries = ask(api, home, lambda desk: desk.get(f"/runs/{run_id}/checkpoints"))
    if as_json:
        print_json(entries)
        return
    print_table(
        ("Checkpoint", "Saved", "Bytes", "Workflow", "SHA-256"),
        [
            (
                f"{entry['label']}/{entry['version']}",
                entry["saved_at"][:19].replace("T", " "),
                f"{entry['bytes']:,}",
                entry["workflow_version"],
                entry["sha256"][:12],
            )
            for entry in entries
        ],
        empty="No checkpoint has been saved yet.",
    )


def diff(
    run_id: options.RunId,
    before: Annotated[str, typer.Argument(metavar="A", help="A checkpoint of the run.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The checkpoint to compare it with.")],
    other: Annotated[
        str | None, typer.Option(metavar="RUN", help="The run of B, if it is another run.")
    ] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show the differences between two checkpoints: of a run, or of a run and its fork.

    A checkpoint is a label (its last version), or label and version: `policy`, `policy/1`.
    """
    from api.cli.output import print_json, print_table

    path, ends = f"/runs/{run_id}/diff", {"from": before, "to": after}

    async def compare(desk: DeskClient) -> Any:
        return await desk.get(path, **ends, other=other and await desk.run_id(other))

    compared = ask(api, home, compare)
    if as_json:
        print_json(compared)
        return
    print_table(
        ("Where", "Before", "After"),
        [
            (change["path"], _short(change["before"]), _short(change["after"]))
            for change in compared["changes"]
        ],
        empty="",
    )
    typer.echo(compared["summary"])


def memory(
    run_id: options.RunId,
    agent: Annotated[str | None, typer.Option(help="Only messages of this author.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only messages of this stage.")] = None,
    text: Annotated[str | None, typer.Option(help="Only messages that hold this text.")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="LABEL", help="The messages at this checkpoint.")
    ] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show the messages of agents and people in a run."""
    from api.cli.output import print_json, print_table

    wanted = {"agent": agent, "stage": stage, "text": text, "checkpoint": checkpoint}
    messages = ask(api, home, lambda desk: desk.get(f"/runs/{run_id}/memory", **wanted))
    if as_json:
        print_json(messages)
        return
    print_table(
        ("No.", "Stage", "Who", "What"),
        [(str(said["n"]), said["stage"], said["author"], said["text"]) for said in messages],
        empty="There is no such message.",
    )


def _short(value: Any) -> str:
    """A value on one line of a table."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
