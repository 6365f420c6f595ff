"""Sessions of people who have signed in with a browser: a signed cookie, and no store of sessions.

The cookie says who signed in, by what proof, and until when. Every API process of the desk can
read it, also after a restart. A session ends with what it rests on: it names a digest of the API
key, so revoking or changing the key ends it. What a signed text cannot say is that its owner has
signed out. The desk notes that in its folder until the session would have expired.

A browser sends a cookie without being asked. So each request that changes something must also
show a token that only a page of the desk can read.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi.responses import Response
from pydantic import Field, ValidationError
from starlette.requests import HTTPConnection
from starlette.types import Scope

from api.problems import NotAllowedError, UnauthenticatedError
from api.security.keys import ApiKey, KeyRing
from api.security.signatures import Signer
from data.contracts.base import Contract
from data.contracts.review import Channel, Role
from data.settings import Settings
from flows.service.requests import Caller

CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_LONGEST = 4096


class CsrfError(NotAllowedError):
    """A request with a session's cookie, and without the token that only the desk's page knows."""

    code = "csrf_token"


class Session(Contract):
    """One sign-in, as the cookie holds it."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    expires: int
    """Seconds since 1970."""
    rests_on: str
    """A digest of the key that was shown. Another digest today means that the key has changed."""
    key_id: str
    name: str
    principal: str
    roles: tuple[Role, ...]

    @property
    def caller(self) -> Caller:
        """The person who signed in. Only a browser holds a session, so the channel is the page."""
        return Caller(
            name=self.name,
            roles=self.roles,
            proven=True,
            channel=Channel.PAGE,
            principal=self.principal,
        )


class Sessions:
    """Begins, reads and ends the sessions of one desk."""

    def __init__(
        self, settings: Settings, ring: KeyRing, clock: Callable[[], float] = time.time
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._seconds = settings.session_minutes * 60
        self._is_secure = settings.api_url.startswith("https:")
        self._signer = Signer(settings.folder, b"credit-desk session 1")
        self._csrf = Signer(settings.folder, b"credit-desk csrf 1")
        self._ended = _EndedSessions(settings.folder / "ended-sessions", clock)

    def sign_in(self, token: str) -> Session:
        """A session for the holder of a key. Raises UnauthenticatedError without a valid key."""
        key = self._ring.holder(token.strip())
        if key is None:
            raise UnauthenticatedError("this is no valid API key of this desk")
        return Session(
            id=secrets.token_hex(16),
            expires=int(self._clock()) + self._seconds,
            rests_on=_digest(key),
            key_id=key.id,
            name=key.name,
            principal=key.person.principal,
            roles=key.roles,
        )

    def of(self, scope: Scope) -> Session | None:
        """The session that a request shows, while it holds."""
        connection = HTTPConnection(scope)
        shown = connection.cookies.get(self._cookie(connection), "")
        claims = self._signer.read(shown[:_LONGEST]) if shown else None
        if claims is None:
            return None
        try:
            session = Session.model_validate_json(claims)
        except ValidationError:  # signed by an older version of the desk
            return None
        return session if self.still_holds(session) else None

    def still_holds(self, session: Session) -> bool:
        """Whether a session has neither expired nor ended. Cheap: called for every stream.

        Raises UnavailableError while the file of keys cannot be read.
        """
        key = self._ring.valid(session.key_id)
        return (
            key is not None
            and session.rests_on == _digest(key)
            and self._clock() < session.expires
            and session.id not in self._ended
        )

    def end(self, session: Session) -> None:
        """Sign out: no process of the desk accepts the cookie any more, nor a copy of it."""
        self._ended.add(session)

    def csrf(self, session: Session) -> str:
        """The token that unsafe requests of this session show in the header `X-CSRF-Token`."""
        return self._csrf.digest(session.id.encode()).hex()

    def require_csrf(self, session: Session, shown: str) -> None:
        """Raises CsrfError for any other token than the session's."""
        if not hmac.compare_digest(self.csrf(session).encode(), shown.encode()):
            raise CsrfError(f"send the `csrf` of GET /session in the header {CSRF_HEADER}")

    def give(self, response: Response, session: Session, connection: HTTPConnection) -> None:
        """Let an answer set the cookie."""
        response.set_cookie(
            self._cookie(connection),
            self._signer.sign(session.model_dump_json().encode()),
            max_age=session.expires - int(self._clock()),
            httponly=True,
            samesite="strict",
            secure=self._uses_https(connection),
        )

    def take(self, response: Response, connection: HTTPConnection) -> None:
        """Let an answer delete the cookie."""
        response.delete_cookie(
            self._cookie(connection),
            httponly=True,
            samesite="strict",
            secure=self._uses_https(connection),
        )

    def _cookie(self, connection: HTTPConnection) -> str:
        """The cookie's name. Browsers do not tell ports apart, so each desk has its own name."""
        prefix = "__Host-" if self._uses_https(connection) else ""
        return f"{prefix}desk-{self._signer.digest(b'name').hex()[:8]}"

    def _uses_https(self, connection: HTTPConnection) -> bool:
        return self._is_secure or connection.url.scheme == "https"


class _EndedSessions:
    """The sessions that were signed out of: an empty file each, as old as the session's end."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock

    def __contains__(self, session_id: str) -> bool:
        return (self._folder / session_id).exists()

    def add(self, session: Session) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        note = self._folder / session.id
        note.touch(mode=0o600)
        os.utime(note, (session.expires, session.expires))
        for other in self._folder.iterdir():
            if other.stat().st_mtime <= self._clock():
                other.unlink(missing_ok=True)


def _digest(key: ApiKey) -> str:
    return hashlib.sha256(key.model_dump_json().encode()).hexdigest()
