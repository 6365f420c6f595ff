"""Bundles: policy, prices, scorecards, workflow and agent backend under one name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask

app = typer.Typer(help="Create, list and show bundles of versions.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the bundle.")]
Reviewer = Annotated[
    str, typer.Option("--reviewer", metavar="NAME", help="Who asks, where no API key says so.")
]


@app.command(name="list")
def list_bundles(
    as_json: options.AsJson = False, api: options.Api = None, home: options.Home = None
) -> None:
    """List all bundles, the newest first."""
    from api.cli.output import print_json, print_table

    page = ask(api, home, lambda desk: desk.get("/bundles"))
    if as_json:
        print_json(page)
        return
    print_table(
        ("Bundle", "In force", "Pinned", "Policy", "Prices", "Scorecard", "Created by", "Created"),
        [
            (
                bundle["name"],
                "yes" if bundle["is_in_force"] else "",
                bundle["pinned"][:12],  # files of one version may differ
                *(bundle["versions"][part] for part in ("policy", "prices", "scorecard")),
                bundle["created_by"],
                bundle["created_at"][:16],
            )
            for bundle in page["items"]
        ],
        empty="No bundles: the files of the data folder decide",
        spare=("Created by", "Created", "Scorecard"),
    )


@app.command()
def create(
    name: Name,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PART=VERSION",
            help="policy, prices, scorecard or challenger, by file name; or agent_backend,"
            " rules or chat. May be repeated.",
        ),
    ] = None,
    reviewer: Reviewer = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Name versions that exist. The bundle keeps their content and never changes."""
    from api.cli.what_if import pairs

    body = {"name": name, "parts": pairs(parts or []), "reviewer": reviewer}
    _print(ask(api, home, lambda desk: desk.post("/bundles", body)), as_json)


@app.command()
def show(
    name: Name,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show the versions of a bundle, and when it was put into force and by whom."""
    _print(ask(api, home, lambda desk: desk.get(f"/bundles/{name}")), as_json)


@app.command()
def withdraw(
    reviewer: Reviewer = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Let the files of the data folder decide new runs again."""
    from api.cli.output import print_json

    page = ask(api, home, lambda desk: desk.delete("/bundles/in-force", reviewer=reviewer))
    if as_json:
        print_json(page)
    else:
        typer.echo("The files of the data folder decide new runs")


def _print(bundle: dict[str, Any], as_json: bool) -> None:
    from api.cli.output import print_json, print_table

    if as_json:
        print_json(bundle)
        return
    print_table(("Part", "Version"), list(bundle["versions"].items()), empty="")
    typer.echo(f"{bundle['name']}: pinned as {bundle['pinned']}, by {bundle['created_by']}")
    for promoted in bundle["promotions"]:
        by, at = promoted["promoted_by"], promoted["promoted_at"][:16]
        typer.echo(f"put into force by {by} at {at}, canary {promoted['canary_id']}")
