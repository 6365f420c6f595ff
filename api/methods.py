"""Methods of HTTP: HEAD wherever GET is, and the methods that an address allows."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class HeadRequests:
    """Middleware that answers HEAD as the routes answer GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            """Send the head with an empty body, and drop the body of the GET answer.

            The empty body ends the answer. The server then reports the client as gone, and that
            report ends an event stream, which would otherwise go on until its run ends.
            """
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        await self._app(dict(scope, method="GET"), receive, send_head)


def allowed_methods(request: Request) -> list[str]:
    """The methods that some route has for the address of a request."""
    return [
        method
        for method in _METHODS
        if any(
            route.matches(dict(request.scope, method=method))[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def allow(methods: Iterable[str]) -> str:
    """The value of `Allow`: these methods, and HEAD where GET is."""
    found = set(methods)
    return ", ".join(sorted(found | {"HEAD"} if "GET" in found else found))
