"""The desk's processes one by one, as `up` starts them and as containers run them.

They read everything from the environment (`CREDIT_DESK_…`), and belong to one desk from their
first line: Prefect reads its own variables when it is imported.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from data.settings import Settings

DEPLOYMENTS_FILE = Path(__file__).parents[2] / "prefect.yaml"
INTERACTIVE = "underwrite"
"""The deployment whose runs the warm worker executes."""


def server() -> None:
    """Run the Prefect server of this desk."""
    settings = _begin()
    from flows.runtime.server import serve_prefect

    serve_prefect(settings)


def worker() -> None:
    """Run a warm worker: it executes runs as they come."""
    settings = _begin()
    from flows.runtime import lifeline, telemetry

    lifeline.attach()
    telemetry.setup(role="worker", settings=settings)
    asyncio.run(_work())


def api() -> None:
    """Run the HTTP API."""
    settings = _begin()
    from api.app import serve_api

    serve_api(settings)


def deploy() -> None:
    """Register the deployments of prefect.yaml, once."""
    _begin()
    typer.echo(", ".join(asyncio.run(_register())))


def _begin() -> Settings:
    """This process's settings, with Prefect's environment made theirs."""
    from pydantic import ValidationError

    from data.contracts.errors import ContractViolationError
    from data.settings import settings
    from flows.runtime.environment import apply_prefect_environment

    try:
        chosen = settings()
    except ValidationError as error:
        raise ContractViolationError.of("settings", error) from None
    logging.basicConfig(
        level=chosen.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # Said once for every request that the desk itself makes.
    for chatty in ("httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    apply_prefect_environment(chosen)
    return chosen


async def _work() -> None:
    from flows.runtime import deployments, lifeline
    from flows.runtime.desk import this_desk
    from flows.runtime.worker import Worker

    declared = {one.name: one for one in deployments.declared(DEPLOYMENTS_FILE)}
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    desk = await asyncio.to_thread(this_desk)
    await Worker(desk, declared[INTERACTIVE]).run(stop, lifeline.ready)


async def _register() -> list[str]:
    import httpx
    from prefect import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    from data.contracts.errors import UnavailableError
    from flows.runtime import deployments
    from flows.runtime.worker import POOL_TYPE

    declared = deployments.declared(DEPLOYMENTS_FILE)
    try:
        async with get_client() as client:
            for one in declared:
                await deployments.register(client, one, POOL_TYPE)
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        raise UnavailableError(
            f"the Prefect server did not answer ({type(error).__name__}): start it first"
        ) from None
    return [one.name for one in declared]
