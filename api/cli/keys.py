"""API keys from the command line: make, list and revoke them in the desk's own file.

The commands need no running desk. A running desk sees the change with its next request.
"""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli import options
from api.cli.errors import DeskGroup

app = typer.Typer(
    cls=DeskGroup, no_args_is_help=True, help="Make, list and revoke the API keys of this desk."
)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="The holder of the key; the record uses this name.")],
    role: Annotated[
        list[str],
        typer.Option(
            help="A role of the holder; may be repeated: intake, underwriter, senior_underwriter,"
            " compliance, operator, viewer."
        ),
    ],
    principal: Annotated[
        str,
        typer.Option(
            help="The person who holds it, such as a staff number; the name counts without one."
        ),
    ] = "",
    local: Annotated[
        bool,
        typer.Option(
            "--local", help="Also write it to local.key, for the commands on this folder."
        ),
    ] = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Make a key and show it once. From then on every request needs a key."""
    from api.cli.client import chosen_settings, local_key_file
    from api.cli.output import print_json
    from api.security.keys import KeyFile, write_private
    from data.contracts.review import Channel

    settings = chosen_settings(home=home)
    key, token = KeyFile(settings.keys_file).create(
        name, role, principal=principal, channel=Channel.CLI if local else Channel.HTTP
    )
    if local:
        write_private(local_key_file(settings.folder), f"{token}\n".encode())
    if as_json:
        print_json(key.model_dump(mode="json", exclude={"secret_sha256"}) | {"key": token})
        return
    typer.echo(token)
    typer.echo(f"Key {key.id} of {key.name}: keep it, the desk does not show it again.", err=True)


@app.command(name="list")
def list_keys(as_json: options.AsJson = False, home: options.Home = None) -> None:
    """List the keys, revoked ones too. The desk does not keep the secrets."""
    from api.cli.client import chosen_settings
    from api.cli.output import print_json, print_table
    from api.security.keys import KeyFile

    keys = KeyFile(chosen_settings(home=home).keys_file).read().keys
    if as_json:
        print_json([key.model_dump(mode="json", exclude={"secret_sha256"}) for key in keys])
        return
    print_table(
        ("Id", "Name", "Person", "Roles", "Made", "Revoked"),
        [
            (
                key.id,
                key.name,
                key.principal or key.name,
                ", ".join(key.roles),
                f"{key.created_at:%Y-%m-%d %H:%M}",
                f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "",
            )
            for key in keys
        ],
        empty="No keys: every caller on this machine acts in every role.",
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed.")],
    home: options.Home = None,
) -> None:
    """Revoke a key, at once and for ever."""
    from api.cli.client import chosen_settings
    from api.security.keys import KeyFile

    key = KeyFile(chosen_settings(home=home).keys_file).revoke(key_id)
    typer.echo(f"Revoked key {key.id} of {key.name}")
