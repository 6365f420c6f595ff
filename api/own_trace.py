"""Requests do not inherit the trace of an earlier request of their connection.

While a large body comes in, Uvicorn pauses reading and goes on from within the request. From then
on asyncio handles the connection in the context of that request, with its span as the current one.
"""

from __future__ import annotations

from opentelemetry import context as otel
from starlette.types import ASGIApp, Receive, Scope, Send


class OwnTrace:
    """An application each of whose requests begins with no span but the one that its caller sent.

    It has to be the outermost one: the instrumentation of FastAPI is around all middleware.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = otel.attach(otel.Context())
        try:
            await self._app(scope, receive, send)
        finally:
            otel.detach(token)
