"""Audit packs from the command line: export, verify offline, the desk's public key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options
from api.cli.asking import ask
from api.cli.errors import DeskGroup

if TYPE_CHECKING:
    from api.cli.client import DeskClient

app = typer.Typer(
    cls=DeskGroup, no_args_is_help=True, help="The whole record of a run, signed; and its proof."
)


@app.command()
def export(
    run_id: options.RunId,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the pack.")],
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Write the whole record of a run into one signed file."""
    from api.cli.files import write_file

    pack = ask(api, home, lambda desk: desk.text(f"/runs/{run_id}/audit"))
    write_file(out, pack)
    typer.echo(f"Wrote {out}")
    typer.echo(f"  credit-desk audit verify {out} --key PUBLIC")


@app.command()
def screenings(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write them.")],
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Write the screenings of all runs and batches, one JSON object a line, for an auditor."""
    from api.cli.files import make_folder
    from flows.portfolio.files import write_as_it_comes

    make_folder(out.absolute().parent)

    def write(desk: DeskClient) -> Awaitable[int]:
        return write_as_it_comes(out, _screenings(desk))

    typer.echo(f"Wrote {ask(api, home, write):,} screenings to {out}")


async def _screenings(desk: DeskClient) -> AsyncIterator[bytes]:
    import json

    for record in await desk.pages("/screenings"):
        yield json.dumps(record, ensure_ascii=False).encode() + b"\n"
    for found in await desk.pages("/batches"):
        async for piece in desk.pieces(f"/batches/{found['batch_id']}/screenings"):
            yield piece


@app.command()
def verify(
    pack: Annotated[Path, typer.Argument(metavar="PACK", help="An exported pack.")],
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="PUBLIC",
            help="The desk's public key, as `audit key` printed it there, or a file with it.",
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Verify a pack offline; name the first journal entry that was altered."""
    from dataclasses import asdict

    from api.cli.files import read_file
    from api.cli.output import print_json
    from flows.runtime.audit.key import read_public_key
    from flows.runtime.audit.pack import AuditError
    from flows.runtime.audit.pack import verify as proven_by

    named = Path(key)
    public = read_public_key(read_file(named).decode(errors="replace") if named.is_file() else key)
    try:
        proven = proven_by(read_file(pack), public)
    except AuditError as error:
        if as_json:
            print_json({"valid": False, "problem": error.message, "entry": error.entry})
            raise typer.Exit(1) from None
        raise
    if as_json:
        print_json({"valid": True, **asdict(proven)})
        return
    typer.echo(f"Valid: run {proven.run_id} of {proven.application_id}, as it was written")
    typer.echo(f"  {proven.entries} journal entries, signed by key {proven.signed_by}")


@app.command()
def key(home: options.Home = None) -> None:
    """Print the public part of this desk's signing key; make the key if there is none."""
    from api.cli.client import chosen_settings
    from flows.runtime.audit.key import public_text, signing_key

    typer.echo(public_text(signing_key(chosen_settings(home=home).folder)))
