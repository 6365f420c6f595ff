"""Headers of every answer: what a browser may do with it, and that no cache keeps it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HTTPS_ONLY = "max-age=63072000"
"""Two years, for a desk whose public address is HTTPS: browsers ask it by no other way."""
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
STYLED_PAGE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""For drawings and letters, which have their styles in themselves and load nothing."""
_PAGE = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)


class SecurityHeaders:
    """Middleware that adds the headers that an answer, errors included, does not set itself."""

    def __init__(self, app: ASGIApp, *, is_https: bool = False) -> None:
        self._app = app
        self._always = _ALWAYS | ({"Strict-Transport-Security": _HTTPS_ONLY} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._always.items():
                    headers.setdefault(name, value)
                policy = _policy(headers.get("content-type", ""))
                headers.setdefault("Content-Security-Policy", policy)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, guarded)


def _policy(media_type: str) -> str:
    if media_type.startswith("text/html"):
        return _PAGE
    return STYLED_PAGE if media_type.startswith("image/svg") else _NOTHING
