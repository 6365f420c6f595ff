"""How a command asks the desk: open a connection, send the requests, close it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from api.cli.client import DeskClient

T = TypeVar("T")


def ask(api: str | None, home: Path | None, work: Callable[[DeskClient], Awaitable[T]]) -> T:
    """Do some work with a client of the desk that `--api` or `--home` names.

    Raises as `find_desk` and the calls of the client do.
    """
    # Imported here, so that help and errors in arguments do not wait for the HTTP client.
    from api.cli.client import find_desk

    async def work_at_the_desk() -> T:
        async with find_desk(api, home) as desk:
            return await work(desk)

    return asyncio.run(work_at_the_desk())
