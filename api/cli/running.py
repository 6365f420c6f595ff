"""Start a whole desk on one machine and end it again, for `up` and `demo`."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from api.cli.client import chosen_settings
from data.contracts.errors import ContractViolationError
from data.settings import Settings
from flows.runtime.host.desk_lock import DeskLock, RunningDesk, free_port
from flows.runtime.host.environment import prefect_environment, require_guarded
from flows.runtime.host.supervisor import Role, RoleState, Supervisor

ROLES = ("server", "worker", "api")

_SOURCE = Path(__file__).parents[2]
_COLOURS = {
    RoleState.STARTING: "cyan",
    RoleState.READY: "green",
    RoleState.RESTARTING: "yellow",
    RoleState.STOPPED: "dim",
    RoleState.FAILED: "red",
}


def settings_for(
    home: Path | None, port: int | None, prefect_port: int | None, *, insist: bool = True
) -> Settings:
    """The settings of a new desk, with free ports.

    A default port that is taken is replaced by the next free one, with a message. Raises
    ContractViolationError for a chosen port that is taken; without `insist` it is replaced too.
    """
    wished = chosen_settings(home=home, api_port=port, prefect_port=prefect_port)
    if wished.api_port == wished.prefect_port:
        raise ContractViolationError("--port and --prefect-port have to differ")
    found = {
        name: _free(wished, name, option, insist=insist)
        for name, option in (("api_port", "--port"), ("prefect_port", "--prefect-port"))
    }
    return wished.model_copy(update=found)


def _free(wished: Settings, name: str, option: str, *, insist: bool) -> int:
    port: int = getattr(wished, name)
    host = wished.api_host if name == "api_port" else wished.prefect_host
    free = free_port(port, host)
    if free == port:
        return port
    if insist and name in wished.model_fields_set:
        raise ContractViolationError(
            f"port {port} is taken: give another with {option}, or none to take the next free one"
        )
    typer.echo(f"Port {port} is taken, using {free} instead", err=True)
    return free


def roles_of(settings: Settings) -> list[Role]:
    """The three processes of this desk, as the supervisor starts them.

    Raises ContractViolationError for an address that needs a password.
    """
    require_guarded(settings)
    # PYTHONPATH leads to a checkout that was not installed. -P keeps the working folder out of
    # the path: it may hold another `api` or `data`.
    env = prefect_environment(settings) | {
        "PYTHONPATH": str(_SOURCE),
        "CREDIT_DESK_HOME": str(settings.folder),
        "CREDIT_DESK_API_HOST": settings.api_host,
        "CREDIT_DESK_API_PORT": str(settings.api_port),
        "CREDIT_DESK_PREFECT_HOST": settings.prefect_host,
        "CREDIT_DESK_PREFECT_PORT": str(settings.prefect_port),
    }
    return [Role(name, (sys.executable, "-P", "-m", "api.cli", name), env) for name in ROLES]


@asynccontextmanager
async def running(
    settings: Settings, lock: DeskLock, states: RoleStates
) -> AsyncIterator[RunningDesk]:
    """Start the desk, wait until all of it is ready, and end it after the block.

    Raises UnavailableError naming the log when a process does not start.
    """
    # The table shows every state; without a handler, warnings would be shown a second time.
    logging.getLogger("flows").addHandler(logging.NullHandler())
    async with Supervisor(settings.folder, roles_of(settings), states.tell):
        yield lock.publish(api_url=settings.api_url, prefect_url=settings.prefect_url)


async def until_told(work: Coroutine[Any, Any, None]) -> bool:
    """Do some work to its end, or until SIGTERM or SIGINT; True when it came to its end.

    The first signal cancels the work, which may then clean up. Further signals change nothing.
    """
    task = asyncio.ensure_future(work)
    told = asyncio.Event()

    def stop() -> None:
        if not told.is_set():
            told.set()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await task
    return not told.is_set()


class RoleStates:
    """Shows the processes and their states: a live table on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._states = dict.fromkeys(ROLES, (RoleState.STOPPED, ""))
        self._live = Live(console=self._console, get_renderable=self._table, auto_refresh=False)

    def __enter__(self) -> RoleStates:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def tell(self, role: str, state: RoleState, detail: str) -> None:
        """Show a new state of a process."""
        self._states[role] = (state, detail)
        if self._console.is_terminal:
            self._live.refresh()
        else:
            typer.echo(f"{role:<8}{state.value:<12}{detail}".rstrip(), err=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, (state, detail) in self._states.items():
            table.add_row(name, Text(state.value, style=_COLOURS[state]), Text(detail, "dim"))
        return table
