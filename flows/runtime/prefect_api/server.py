"""Our launcher of the Prefect server: the same server, on SQLite without its lock errors.

Prefect opens SQLite transactions DEFERRED. One that reads first and writes later fails at once
with "database is locked" when another wrote in between: SQLite cannot wait its way out of
that, so Prefect answers 503 and its clients sleep. Begun IMMEDIATE, writers queue up instead.
That is possible only in the process that runs the server, and rests on a method of Prefect
that is not public: hence a launcher, and hence the exact version.

Nothing of Prefect is imported before its environment is applied.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from data.contracts.errors import CreditDeskError
from data.settings import Settings
from flows.runtime.host import parent_pipe
from flows.runtime.host.environment import (
    apply_prefect_environment,
    prefect_api_url,
    require_guarded,
    require_services,
)
from flows.runtime.host.garbage import leave_out_loaded
from flows.runtime.prefect_api.ui_files import OwnPictures, leave_out_statistics

if TYPE_CHECKING:
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

SUPPORTED_PREFECT = "3.9.1"
CONNECTIONS_GRACE_SECONDS = 1
SHUTDOWN_SECONDS = 2.0
"""How long clients and services may delay the end; leaving Python takes about a second more."""

_log = logging.getLogger(__name__)


def serve_prefect(settings: Settings) -> None:
    """Run the Prefect server of this desk in this process until SIGTERM or SIGINT.

    Brings its database up to date first and reports ready once `/api/ready` answers 200.
    Returns after an orderly shutdown.

    Raises:
        CreditDeskError: another version of Prefect is installed than this launcher knows, or
            Prefect was imported too early and would serve another desk's database.
        ContractViolationError: other machines would reach it, and it has no password; or it lacks
            the Redis through which it reaches the server that has the services.
        SystemExit: the server could not start, for example because its port is taken.
    """
    require_supported_prefect(version("prefect"))
    require_guarded(settings)
    require_services(settings)
    parent_pipe.exit_with_parent()
    apply_prefect_environment(settings)
    begin_transactions_immediately()
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    chosen = get_current_settings()
    if chosen.home != settings.folder / "prefect":
        raise CreditDeskError(
            "Prefect was imported before the environment of this desk was applied"
        )
    app = create_app(webserver_only=not settings.prefect_services, final=True)
    if pages := chosen.server.ui.static_directory:
        leave_out_statistics(Path(pages))
    # Prefect's logging set-up has run by now and shows warnings only; ours would be among them.
    _log.setLevel(logging.INFO)
    own = chosen.server.api.cors_allowed_origins.split(",")
    _PrefectServer(settings, AnswerLog(OwnPages(OwnPictures(app), own))).run()


def require_supported_prefect(installed: str) -> None:
    """Refuse any version of Prefect but the one whose inner workings were checked."""
    if installed != SUPPORTED_PREFECT:
        raise CreditDeskError(
            f"Prefect {installed} is installed, but its server can be started by this version"
            f" only with Prefect {SUPPORTED_PREFECT}: pip install prefect=={SUPPORTED_PREFECT}"
        )


def begin_transactions_immediately() -> None:
    """Let every SQLite transaction of the Prefect server in this process take its lock at once."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediate(
        self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = False
    ) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[assignment,method-assign]


class OwnPages:
    """Refuses every request that a browser sends on behalf of a page from elsewhere.

    The allowed origins of Prefect only say which answers such a page may read. What it needs no
    answer to is done all the same: a POST without a content type is asked no leave for, Prefect
    takes it for JSON, and a gate is answered. No origin is asked of a websocket either.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = {origin.strip().encode() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = {value for name, value in scope.get("headers", ()) if name == b"origin"}
        if b"*" in self._origins or sent <= self._origins:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008)(scope, receive, send)
        else:
            refused = {"exception_message": "This server answers its own pages only"}
            await JSONResponse(refused, status_code=403)(scope, receive, send)


class Websockets:
    """Ends the open websockets with the server. Prefect's own would notice only when it sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[asyncio.Task[Any]] = set()
        self._is_ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "websocket" or task is None:
            await self._app(scope, receive, send)
            return
        self._open.add(task)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_ending:
                raise
        finally:
            self._open.discard(task)

    def end(self) -> None:
        """End all that are open. Uvicorn would wait for them, cancel them and log a traceback."""
        self._is_ending = True
        for task in self._open:
            task.cancel()


class AnswerLog:
    """One line for every HTTP answer of 500 and above: method, path, status, milliseconds.

    The query is left out; it may hold what a person typed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        # Uvicorn answers 500 itself when the application raises before it has answered.
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            if status >= 500:
                elapsed = (time.perf_counter() - started) * 1000
                _log.error("%s %s %d %.0f ms", scope["method"], scope["path"], status, elapsed)


class _PrefectServer(uvicorn.Server):
    """Uvicorn that tells when it really answers, and that ends on time."""

    def __init__(self, settings: Settings, app: ASGIApp) -> None:
        self._websockets = Websockets(app)
        super().__init__(
            uvicorn.Config(
                self._websockets,
                host=settings.prefect_host,
                port=settings.prefect_port,
                log_config=None,
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=CONNECTIONS_GRACE_SECONDS,
            )
        )
        self._ready_url = f"{prefect_api_url(settings)}/ready"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while not self.should_exit:
                if await _answers(client, self._ready_url):
                    leave_out_loaded()
                    _log.info("Prefect server is ready at %s", self._ready_url)
                    parent_pipe.notify_ready()
                    return
                await asyncio.sleep(0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # In the next turn of the loop: by then Uvicorn has sent each of them its goodbye.
        asyncio.get_running_loop().call_soon(self._websockets.end)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals to the end; Uvicorn would raise them again when all is done."""
        for handled in parent_pipe.ending_signals():
            signal.signal(handled, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            end = threading.Timer(SHUTDOWN_SECONDS, os._exit, args=(0,))
            end.daemon = True
            end.start()
        super().handle_exit(sig, frame)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
