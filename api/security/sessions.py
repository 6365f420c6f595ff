"""Sessions of people who have signed in with a browser: a signed cookie, and no store of sessions.

The cookie says who signed in, by what proof, and until when. Every API process of the desk can
read it, also after a restart. A session ends with what it rests on: it names a digest of the API
key, or of the settings of the issuer, so changing or revoking these ends it. A signed text cannot
say that its owner has signed out: the desk notes that in its folder until the session would have
expired.

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
from typing import Annotated, Any, Literal

from fastapi.responses import Response
from pydantic import Field, ValidationError
from starlette.requests import HTTPConnection
from starlette.types import Scope

from api.problems import NotAllowedError, UnauthenticatedError
from api.security.keys import ApiKey, KeyRing
from api.security.oidc import CALLBACK, SIGN_IN_SECONDS, Subject
from api.security.signatures import Signer
from data.contracts.base import Contract
from data.contracts.review import Channel, Role
from data.settings import Settings
from flows.service.requests import Caller

CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Way = Literal["key", "oidc"]
"""How a person signs in: with an API key, or at the issuer."""

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
    """A digest of the key, or of the settings of the issuer. Another digest today means that the
    key or the settings have changed since."""
    key_id: str = ""
    """Empty for a person whom the issuer has signed in."""
    name: str
    principal: str
    roles: tuple[Role, ...]

    @property
    def counted_as(self) -> str:
        """The name under which requests and streams of this person are counted."""
        return self.key_id or hashlib.sha256(self.principal.encode()).hexdigest()[:16]

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
        self._settings = settings
        self._issuer = _digest_of_issuer(settings)
        self._seconds = settings.session_minutes * 60
        self._is_secure = settings.api_url.startswith("https:")
        self._signer = Signer(settings.folder, b"credit-desk session 1")
        self._csrf = Signer(settings.folder, b"credit-desk csrf 1")
        self._ended = _EndedSessions(settings.folder / "ended-sessions", clock)

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways to sign in at this desk."""
        if not self._issuer:
            return ("key",)
        return ("key", "oidc") if self._settings.has_api_keys else ("oidc",)

    def sign_in(self, token: str) -> Session:
        """A session for the holder of a key. Raises UnauthenticatedError without a valid key."""
        key = self._ring.holder(token.strip())
        if key is None:
            raise UnauthenticatedError("this is no valid API key of this desk")
        return self._begin(
            rests_on=_digest(key),
            key_id=key.id,
            name=key.name,
            principal=key.person.principal,
            roles=key.roles,
        )

    def welcome(self, subject: Subject) -> Session:
        """A session for a person whom the issuer has signed in."""
        return self._begin(
            rests_on=self._issuer or "",
            name=subject.name,
            principal=subject.identity,
            roles=subject.roles,
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
        return (
            session.rests_on == self._ground(session)
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

    def hold_state(self, response: Response, held: str, connection: HTTPConnection) -> None:
        """Let the browser hold what it shows when it comes back from the issuer.

        The issuer is another site, and a strict cookie would not come back from there.
        """
        response.set_cookie(
            self._state_cookie,
            held,
            max_age=SIGN_IN_SECONDS,
            path=CALLBACK,
            httponly=True,
            samesite="lax",
            secure=self._uses_https(connection),
        )

    def held_state(self, connection: HTTPConnection) -> str:
        """What the browser holds; empty when it has begun no sign-in at the issuer."""
        return connection.cookies.get(self._state_cookie, "")[:_LONGEST]

    def drop_state(self, response: Response, connection: HTTPConnection) -> None:
        """A sign-in counts once."""
        response.delete_cookie(
            self._state_cookie,
            path=CALLBACK,
            httponly=True,
            samesite="lax",
            secure=self._uses_https(connection),
        )

    def _begin(self, **proof: Any) -> Session:
        expires = int(self._clock()) + self._seconds
        return Session(id=secrets.token_hex(16), expires=expires, **proof)

    def _ground(self, session: Session) -> str | None:
        """The digest of what a session rests on, as it is now."""
        if not session.key_id:
            return self._issuer
        key = self._ring.valid(session.key_id)
        return _digest(key) if key else None

    @property
    def _state_cookie(self) -> str:
        return f"desk-state-{self._mark}"

    @property
    def _mark(self) -> str:
        """A name of this desk: browsers do not tell ports apart."""
        return self._signer.digest(b"name").hex()[:8]

    def _cookie(self, connection: HTTPConnection) -> str:
        prefix = "__Host-" if self._uses_https(connection) else ""
        return f"{prefix}desk-{self._mark}"

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


def _digest_of_issuer(settings: Settings) -> str | None:
    """None on a desk without an issuer."""
    if not settings.oidc_issuer:
        return None
    ground = settings.model_dump_json(
        include={"oidc_issuer", "oidc_client_id", "oidc_roles_claim", "oidc_roles"}
    )
    return hashlib.sha256(ground.encode()).hexdigest()


def _digest(key: ApiKey) -> str:
    return hashlib.sha256(key.model_dump_json().encode()).hexdigest()
