"""`credit-desk demo`: three applicants side by side, then a small portfolio."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options

if TYPE_CHECKING:
    from data.settings import Settings
    from flows.runtime.host.desk_lock import DeskLock

PERSONAS = ("ada-prime", "dee-debtor", "bora-borderline")


def demo(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Let a script answer at the gates.")
    ] = False,
    home: options.Home = None,
) -> None:
    """Underwrite three synthetic applicants and a portfolio, and show what the desk decided."""
    from api.cli.client import chosen_settings
    from api.cli.running import settings_for
    from data.contracts.errors import CreditDeskError
    from flows.runtime.host.desk_lock import DeskLock, running_desk

    settings = chosen_settings(home=home)
    try:
        already = running_desk(settings.folder)
        if already is not None:
            typer.echo(f"A desk runs on {settings.folder} already; using it")
            _play(settings, already.api_url, None, by_script=yes)
            return
        with DeskLock(settings.folder) as lock:
            settings = settings_for(home, None, None, insist=False)
            _play(settings, settings.api_url, lock, by_script=yes)
    except CreditDeskError:
        typer.echo(f"The demonstration failed; the logs are in {settings.folder}/logs", err=True)
        raise


def _play(settings: Settings, api_url: str, lock: DeskLock | None, *, by_script: bool) -> None:
    """Play on the desk at an address; with a lock, start the desk before and end it after."""
    from api.cli.client import DeskClient, key_for
    from api.cli.demo.portfolio import underwrite_portfolio
    from api.cli.demo.showcase import Showcase
    from api.cli.running import RoleStates, running, until_told

    async def perform() -> None:
        async with AsyncExitStack() as stack:
            if lock is not None:
                with RoleStates() as states:
                    await stack.enter_async_context(running(settings, lock, states))
            desk = await stack.enter_async_context(
                DeskClient(api_url, key=key_for(settings, local=True))
            )
            await Showcase(desk, settings.folder, by_script=by_script).play(PERSONAS)
            await underwrite_portfolio(desk, settings.folder / "portfolio")

    if not asyncio.run(until_told(perform())):
        raise typer.Exit(130)
