"""Prefect's pages as this desk serves them: they ask no other host for anything.

Prefect copies its pages into the desk's folder before it serves them. In them is the key of a
service for statistics, which each page asks for its configuration, also where the server's setting
has switched statistics off. Without the key the pages leave that out. The logos of block types lie
on other hosts: the browser is told to ask for no picture there.
"""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATISTICS_KEY = "c97dd2acbf306ab7bf54aca0aeb7ffa1"
_OWN_PICTURES = "img-src 'self' data: blob:"


class OwnPictures:
    """Lets Prefect's pages show pictures of this server alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = _OWN_PICTURES
            await send(message)

        is_page = scope["type"] == "http" and not scope["path"].startswith("/api/")
        await self._app(scope, receive, with_policy if is_page else send)


def leave_out_statistics(pages: Path) -> None:
    """Blank the key in the copied pages. Where it is blank already, nothing is written."""
    for script in pages.glob("*/assets/index-*.js"):
        text = script.read_text(encoding="utf-8")
        if STATISTICS_KEY in text:
            script.write_text(text.replace(STATISTICS_KEY, ""), encoding="utf-8")
