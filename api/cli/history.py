"""A run's past from the command line: its checkpoints, what differs, who said what."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import options

_LONGEST = 60
"""Characters of one value in a table; `--json` has all of it."""


def checkpoints(
    run_id: options.RunId,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """List a run's checkpoints, in the order they were saved."""
    from api.cli.output import print_json, print_table

    entries = asyncio.run(_asked(api, home, f"/runs/{run_id}/checkpoints"))
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
        str | None, typer.Option(metavar="RUN", help="B is this run's, a fork's for example.")
    ] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show what differs between two checkpoints: of a run, or of a run and its fork.

    A checkpoint is a label (the last one of it), or label and version: `policy`, `policy/1`.
    """
    from api.cli.output import print_json, print_table

    path = f"/runs/{run_id}/diff"
    compared = asyncio.run(_asked(api, home, path, **{"from": before, "to": after}, other=other))
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
    agent: Annotated[str | None, typer.Option(help="Only what this author said.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only what was said in this stage.")] = None,
    text: Annotated[str | None, typer.Option(help="Only what holds this text.")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="LABEL", help="As it stood at this checkpoint.")
    ] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show what agents and people said in a run."""
    from api.cli.output import print_json, print_table

    said = asyncio.run(
        _asked(
            api,
            home,
            f"/runs/{run_id}/memory",
            agent=agent,
            stage=stage,
            text=text,
            checkpoint=checkpoint,
        )
    )
    if as_json:
        print_json(said)
        return
    print_table(
        ("No.", "Stage", "Who", "What"),
        [(str(one["n"]), one["stage"], one["author"], one["text"]) for one in said],
        empty="Nothing like that has been said.",
    )


async def _asked(api: str | None, home: Path | None, path: str, **query: str | None) -> Any:
    from api.cli.client import find_desk

    async with find_desk(api, home) as desk:
        return await desk.get(path, **query)


def _short(value: Any) -> str:
    """A value on one line of a table."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
