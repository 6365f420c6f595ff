"""`credit-desk up`: the whole desk on one machine."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from api.cli import options

Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port of the API.")]
PrefectPort = Annotated[
    int | None, typer.Option("--prefect-port", min=1, max=65535, help="Port of Prefect.")
]


def up(
    home: options.Home = None,
    port: Port = None,
    prefect_port: PrefectPort = None,
    as_json: options.AsJson = False,
) -> None:
    """Start Prefect server, worker and API, and keep them alive until Ctrl-C or SIGTERM."""
    from agents.voice import require_chat
    from api.cli.client import chosen_settings
    from api.cli.output import print_json
    from api.cli.running import RoleStates, running, settings_for, until_told
    from flows.runtime.host.desk_lock import DeskLock

    with DeskLock(chosen_settings(home=home).folder) as lock:
        settings = settings_for(home, port, prefect_port)
        require_chat(settings)

        async def keep_up() -> None:
            with RoleStates() as states:
                async with running(settings, lock, states) as desk:
                    if as_json:
                        print_json(desk.model_dump(mode="json"))
                    else:
                        typer.echo(_welcome(desk.api_url, desk.prefect_url))
                    await asyncio.Event().wait()

        asyncio.run(until_told(keep_up()))


def _welcome(api_url: str, prefect_url: str) -> str:
    return "\n".join(
        [
            "",
            "The desk is open.",
            f"  The desk's page    {api_url}",
            f"  API                {api_url}/docs",
            f"  Workflow map       {api_url}/workflow/graph.svg",
            f"  Prefect            {prefect_url}",
            "  Try                credit-desk submit bora-borderline --follow",
            "  Stop               Ctrl-C",
        ]
    )
