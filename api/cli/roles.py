"""The processes of the desk one by one, as `up` starts them and as containers run them.

Each process reads its settings from the environment (`CREDIT_DESK_…`). It sets Prefect's
environment before it imports Prefect, because Prefect reads its variables at import.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from data.settings import Settings


def server() -> None:
    """Run the Prefect server of this desk."""
    settings = _begin()
    from flows.runtime.host import parent_pipe
    from flows.runtime.prefect_api.server import serve_prefect

    serve_prefect(settings)
    parent_pipe.exit_now()


def worker() -> None:
    """Run a worker, which executes runs as they come."""
    settings = _begin()
    from agents.voice import require_chat
    from flows.runtime.worker.worker import serve_worker

    require_chat(settings)
    serve_worker(settings)


def api() -> None:
    """Run the HTTP API."""
    settings = _begin()
    from api.app import serve_api
    from flows.runtime.host import parent_pipe, telemetry

    serve_api(settings)
    telemetry.flush()
    parent_pipe.exit_now()


def deploy() -> None:
    """Register the deployments of prefect.yaml, once."""
    settings = _begin()
    from flows.runtime.prefect_api.deployments import register_all

    typer.echo(", ".join(asyncio.run(register_all(settings.prefect_yaml))))


def _begin() -> Settings:
    """The settings of this process. Sets Prefect's environment from them."""
    from pydantic import ValidationError

    from data.contracts.errors import ContractViolationError
    from data.settings import settings
    from flows.runtime.host import parent_pipe
    from flows.runtime.host.environment import apply_prefect_environment
    from flows.runtime.host.private_folder import make_private

    parent_pipe.exit_with_parent()  # before the imports, which take seconds
    try:
        chosen = settings()
    except ValidationError as error:
        raise ContractViolationError.of("settings", error) from None
    make_private(chosen.folder)
    apply_prefect_environment(chosen)
    return chosen
