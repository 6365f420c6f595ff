"""MCP over HTTP: one address of the API, under the keys and roles of its routes."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.cli.client import DeskClient
from data.contracts.errors import ExtraMissingError

PATH = "/mcp"
_CREDENTIALS = ("authorization", "x-api-key", "cookie")


def require_installed() -> None:
    """Raise ExtraMissingError, with the install line, without the extra `mcp`."""
    if find_spec("mcp") is None:
        raise ExtraMissingError("mcp", "the tools for language models")


class ToolAnswer(Response):
    """The answer to one message of the protocol.

    There is no session: each message stands alone, and any API process can answer it. A tool asks
    the routes of this same API, in this process, with the credentials of its caller. They meet the
    authentication a second time, so a call takes two requests from the key's rate.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Loaded with the first message and not with the API. In a thread, because it takes a
        # quarter of a second, in which event streams go on.
        await asyncio.to_thread(import_module, "api.mcp.server")
        from api.mcp.server import answer_message

        api: ASGIApp = scope["app"]

        def ask_as(request: Request) -> DeskClient:
            sent = request.headers
            shown = {name: sent[name] for name in _CREDENTIALS if name in sent}
            return DeskClient("http://localhost", httpx.ASGITransport(api), headers=shown)

        await answer_message(ask_as, scope, receive, send)
