"""Tickets that open the events of one run for a client that cannot send headers.

A browser's EventSource sends no headers, so it cannot show an API key, and an address is no place
for a key. A ticket names one run and one key, holds random bits and expires after a minute. It is
signed with a secret of the desk, so every API process of the desk accepts it, and none has to
remember it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile

from api.problems import UnauthenticatedError
from api.schemas import EventsTicket
from data.contracts.errors import UnavailableError

FILE = "tickets.secret"
VALID_SECONDS = 60

_PURPOSE = b"credit-desk events ticket 1"
_SECRET_BYTES = 32
_LONGEST = 300


class Tickets:
    """Issues and reads the tickets of the desk in a folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = folder / FILE
        self._clock = clock

    def issue(self, run_id: str, key_id: str) -> EventsTicket:
        """A ticket for the events of a run, in the name of a key.

        Raises UnavailableError when the desk's secret cannot be read.
        """
        expires = int(self._clock()) + VALID_SECONDS
        claims = f"{run_id}:{key_id}:{expires}:{secrets.token_hex(16)}".encode()
        return EventsTicket(
            ticket=f"{_text(claims)}.{_text(self._signature(claims))}",
            expires_at=datetime.fromtimestamp(expires, UTC),
        )

    def key_id(self, ticket: str, run_id: str) -> str:
        """The id of the key in whose name a ticket was issued.

        Raises UnauthenticatedError for a ticket of another run or another desk, and for one that
        has expired.
        """
        claims, _, signature = ticket[:_LONGEST].partition(".")
        try:
            signed, shown = _bytes(claims), _bytes(signature)
        except ValueError:
            raise _refused() from None
        # The signature first: nothing of an unsigned text is interpreted.
        if not hmac.compare_digest(self._signature(signed), shown):
            raise _refused()
        named_run, key_id, expires, _ = signed.decode().split(":")
        if named_run != run_id or int(expires) <= self._clock():
            raise _refused()
        return key_id

    def _signature(self, claims: bytes) -> bytes:
        return hmac.digest(self._key, claims, hashlib.sha256)

    @cached_property
    def _key(self) -> bytes:
        try:
            secret = _secret(self._path)
        except OSError as error:
            raise UnavailableError(
                f"the secret of the tickets cannot be read: {type(error).__name__}"
            ) from None
        return hmac.digest(secret, _PURPOSE, hashlib.sha256)


def _secret(path: Path) -> bytes:
    """The desk's secret; made on first use, readable by its owner only.

    Several processes may make it at the same time. Linking fails for all but the first one, and
    all of them read the file of the first one.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f"{FILE}.") as draft:  # made with 0600
            draft.write(secrets.token_bytes(_SECRET_BYTES))
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                os.link(draft.name, path)
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise OSError("the file is not a secret of the desk")
    return secret


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("the ticket is not valid for this run, or has expired")


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
