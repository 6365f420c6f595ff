"""Sessions of browsers: a signed cookie in place of an API key, which no script can read.

A session names a key. It ends with the key, after its time, and when its holder signs out. It is
signed with the desk's secret, so every API process accepts it, also after a restart, and none has
to remember it. A page of another site cannot use it: the cookie stays at home (SameSite), and an
unsafe request has to carry a token that only a page of the desk can read.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from starlette.datastructures import Headers

from api.problems import NotAllowedError
from api.security.desk_secret import Signer

COOKIE = "credit_desk_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_LONGEST = 300


class Sessions:
    """Opens and reads the sessions of the desk in a folder."""

    def __init__(
        self, folder: Path, hours: float = 12, clock: Callable[[], float] = time.time
    ) -> None:
        self._cookies = Signer(folder, b"credit-desk session 1")
        self._tokens = Signer(folder, b"credit-desk csrf 1")
        self.seconds = int(timedelta(hours=hours).total_seconds())
        self._clock = clock

    def open(self, key_id: str) -> str:
        """The cookie of a new session in the name of a key. Raises UnavailableError."""
        expires = int(self._clock()) + self.seconds
        return self._cookies.signed(f"{key_id}:{expires}:{secrets.token_hex(16)}".encode())

    def key_id(self, cookie: str) -> str:
        """The id of the key that a session names; empty for one that is not valid any more."""
        claims = self._cookies.read(cookie[:_LONGEST])
        if claims is None:
            return ""
        key_id, expires, _ = claims.decode().split(":")
        return key_id if int(expires) > self._clock() else ""

    def csrf(self, cookie: str) -> str:
        """The token that unsafe requests of a session carry."""
        return self._tokens.signature(cookie.encode()).hex()

    def require_token(self, method: str, headers: Headers, cookie: str) -> None:
        """Raises NotAllowedError for an unsafe request without the token of its session."""
        shown = headers.get(CSRF_HEADER, "")
        if method not in SAFE and not hmac.compare_digest(
            shown.encode(), self.csrf(cookie).encode()
        ):
            raise NotAllowedError(
                f"a session needs its token, too: send that of `GET /session` as {CSRF_HEADER}"
            )


def cookie_of(headers: Headers) -> str:
    """The session's cookie of a request; empty without one."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
