"""API keys from the command line: made, listed and revoked in the desk's own file.

No running desk is needed, and one that runs sees the change with the next request.
"""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli import options
from api.cli.errors import DeskGroup

app = typer.Typer(
    cls=DeskGroup, no_args_is_help=True, help="Who may ask this desk: make, list, revoke API keys."
)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Whose key it is; the record names them so.")],
    role: Annotated[
        list[str],
        typer.Option(
            help="What they may do; may be repeated: intake, underwriter, senior_underwriter,"
            " compliance, operator, viewer."
        ),
    ],
    local: Annotated[
        bool,
        typer.Option("--local", help="Also let the commands on this folder use it, via local.key."),
    ] = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Make a key. It is shown once, and from then on nobody is served without one."""
    from api.cli.client import chosen_settings, local_key_file
    from api.cli.output import print_json
    from api.security.keys import KeyFile, write_private

    settings = chosen_settings(home=home)
    key, token = KeyFile(settings.keys_file).create(name, role)
    if local:
        write_private(local_key_file(settings.folder), f"{token}\n".encode())
    if as_json:
        print_json(key.model_dump(mode="json", exclude={"secret_sha256"}) | {"key": token})
        return
    typer.echo(token)
    typer.echo(f"Key {key.id} of {key.name}: keep it, it is not shown again.", err=True)


@app.command(name="list")
def list_keys(as_json: options.AsJson = False, home: options.Home = None) -> None:
    """List the keys, revoked ones too; the secrets are not kept."""
    from api.cli.client import chosen_settings
    from api.cli.output import print_json, print_table
    from api.security.keys import KeyFile

    keys = KeyFile(chosen_settings(home=home).keys_file).read().keys
    if as_json:
        print_json([key.model_dump(mode="json", exclude={"secret_sha256"}) for key in keys])
        return
    print_table(
        ("Id", "Name", "Roles", "Made", "Revoked"),
        [
            (
                key.id,
                key.name,
                ", ".join(key.roles),
                f"{key.created_at:%Y-%m-%d %H:%M}",
                f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "",
            )
            for key in keys
        ],
        empty="No keys: everybody on this machine acts in every role.",
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed.")],
    home: options.Home = None,
) -> None:
    """Make a key useless, at once and for ever."""
    from api.cli.client import chosen_settings
    from api.security.keys import KeyFile

    key = KeyFile(chosen_settings(home=home).keys_file).revoke(key_id)
    typer.echo(f"Revoked key {key.id} of {key.name}")
