"""The HTTP API: the application, and the server that the `api` role runs."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import Span
from starlette.datastructures import State

from api import otlp_metrics, problems
from api.docs_page import add_docs_page
from api.hub import Hub
from api.inbox_watch import InboxWatch
from api.methods import HeadRequests
from api.metrics import MetricsPage
from api.openapi import DocumentedApp
from api.own_trace import OwnTrace
from api.page_files import add_page
from api.readiness import ReadinessProbe
from api.routes import (
    after_decision,
    ag_ui,
    applications,
    audit,
    batches,
    bundles,
    canaries,
    documents,
    health,
    history,
    housekeeping,
    mcp,
    metrics,
    operations,
    reviews,
    runs,
    schemas,
    screenings,
    session,
    workflow,
)
from api.security import auth, headers
from api.security.keys import KeyRing
from api.security.limits import StreamLimit, TimeLimit
from api.security.loopback import require_loopback
from api.security.oidc import OidcLogin
from api.security.sessions import Sessions
from api.security.tickets import Tickets
from data.settings import Settings
from data.version import code_version
from flows.runtime.host import parent_pipe, telemetry
from flows.runtime.host.garbage import leave_out_loaded
from flows.runtime.host.open_files import allow_open_files
from flows.service.desk import DeskService

CONNECTIONS_GRACE_SECONDS = 1
"""How long open requests may delay the end of the process."""
OTHER_OPEN_FILES = 256
"""What the API has open beside its clients: the ledger, logs, connections to Prefect."""

OpenDesk = Callable[[Settings], AbstractAsyncContextManager[DeskService]]

_TAGS = [
    {"name": "runs", "description": "One run underwrites one application."},
    {"name": "batches", "description": "Portfolios: one file with many applications."},
    {"name": "history", "description": "Checkpoints, their differences, messages."},
    {"name": "reviews", "description": "The gates: open requests, and people's answers."},
    {"name": "screenings", "description": "Screenings of all runs, and clearances."},
    {"name": "documents", "description": "Applications, and documents that are added to them."},
    {"name": "audit", "description": "The whole record of a run, signed."},
    {"name": "operations", "description": "The workload, and the decisions by day."},
    {"name": "housekeeping", "description": "Deadlines, retention, legal holds."},
    {"name": "workflow", "description": "The map of stages, gates and ways between them."},
    {"name": "session", "description": "Signing in and out with a browser."},
    {"name": "ag-ui", "description": "A run for clients of AG-UI."},
    {"name": "health", "description": "Probes and metrics."},
]


def create_app(settings: Settings, open_desk: OpenDesk = DeskService.open) -> FastAPI:
    """The application. It opens the desk and the hub when it starts, and closes them at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_desk(settings) as desk, Hub(desk) as hub:
            app.state.desk, app.state.hub = desk, hub
            app.state.readiness = ReadinessProbe(desk)
            app.state.metrics = MetricsPage(desk.ledger, hub)
            app.state.inbox_watch = InboxWatch(desk.ledger)
            otlp_metrics.export(desk.ledger, hub)
            yield

    app = DocumentedApp(
        title="Credit Desk Lite",
        version=code_version(),
        summary="Consumer-credit underwriting with people at the gates.",
        description=(
            "Submit an application, follow its events, answer the requests at the gates, read the"
            " decision. Try it with the synthetic applicants `ada-prime`, `dee-debtor` and"
            " `bora-borderline`."
        ),
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        strict_content_type=False,  # JsonRoute checks media types
    )
    ring = KeyRing(settings.keys_file)
    app.state.tickets = Tickets(settings.folder)
    app.state.sessions = Sessions(settings, ring)
    app.state.oidc = OidcLogin(settings) if settings.oidc_issuer else None
    _add_middleware(app, settings, ring)
    for routes in (
        runs,
        after_decision,
        batches,
        bundles,
        canaries,
        history,
        reviews,
        screenings,
        applications,
        documents,
        audit,
        housekeeping,
        operations,
        workflow,
        session,
        ag_ui,
        schemas,
        health,
        metrics,
        mcp,
    ):
        app.include_router(routes.router)
    add_docs_page(app)
    add_page(app)
    FastAPIInstrumentor.instrument_app(
        app,
        exclude_spans=["receive", "send"],
        excluded_urls="(runs|batches)/.*/events,inbox/events,health,metrics",
        server_request_hook=_without_values,
    )
    return app


def serve_api(settings: Settings) -> None:
    """Run the API of this desk in this process until SIGTERM or SIGINT.

    Raises ContractViolationError for an address that needs API keys, SystemExit when the port
    is taken.
    """
    if not settings.requires_identity:
        require_loopback(settings.api_host)
    parent_pipe.exit_with_parent()
    telemetry.setup(role="api", settings=settings)
    allow_open_files(settings.api_max_connections + OTHER_OPEN_FILES)
    app = create_app(settings)
    _Server(
        app.state,
        uvicorn.Config(
            OwnTrace(app),
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=CONNECTIONS_GRACE_SECONDS,
            limit_concurrency=settings.api_max_connections,
            backlog=settings.api_backlog,
        ),
    ).run()


def _add_middleware(app: FastAPI, settings: Settings, ring: KeyRing) -> None:
    """Add middleware from the inside out: a request meets the last one first."""
    app.add_middleware(TimeLimit)
    app.add_middleware(
        StreamLimit,
        per_key=settings.streams_per_key,
        per_process=settings.streams_per_process,
    )
    app.add_middleware(
        auth.AuthMiddleware,
        settings=settings,
        ring=ring,
        sessions=app.state.sessions,
        tickets=app.state.tickets,
    )
    problems.install(app)
    if settings.cors_origins:
        # Outside of the authentication: a preflight request shows no key, and a page has to be
        # able to read a refusal. Keys travel in headers, so browsers need no credentials mode.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=[
                *("Authorization", "X-API-Key", "Content-Type"),
                *("Idempotency-Key", "If-Match", "Last-Event-ID", "traceparent"),
            ],
            expose_headers=["Allow", "ETag", "Location", "Retry-After", "WWW-Authenticate"],
        )
    app.add_middleware(HeadRequests)
    app.add_middleware(
        headers.SecurityHeaders, is_https=settings.public_api_url.startswith("https://")
    )


def _without_values(span: Span, _scope: dict[str, Any]) -> None:
    """Remove the values of a caller from the address in a span: other people read spans."""
    for name, value in dict(getattr(span, "attributes", None) or {}).items():
        if name == "url.query":
            span.set_attribute(name, "")
        elif name in {"http.url", "http.target", "url.full", "url.path"}:
            address = urlsplit(str(value))._replace(query="")
            path = problems.place_of(address.path)
            span.set_attribute(name, address._replace(path=path).geturl())


class _Server(uvicorn.Server):
    """Uvicorn that tells its supervisor when it listens, and that ends without raising."""

    def __init__(self, desk: State, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._desk = desk

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            leave_out_loaded()
            logging.getLogger(__name__).info("the API is ready")
            parent_pipe.notify_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Otherwise Uvicorn would wait for the streams, cancel them and log a traceback for each.
        self._desk.hub.disconnect_all()
        await self._desk.inbox_watch.disconnect_all()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals to the end; Uvicorn would raise them again after its shutdown."""
        for handled in parent_pipe.ending_signals():
            signal.signal(handled, self.handle_exit)
        yield
