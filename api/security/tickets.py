"""Tickets that open the events of one run for a client that cannot send headers.

A browser's EventSource sends no headers, so it cannot show an API key, and an address is no place
for a key. A ticket names one run and one key, holds random bits and expires after a minute. It is
signed with a secret of the desk, so every API process of the desk accepts it, and none has to
remember it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from api.problems import UnauthenticatedError
from api.schemas import EventsTicket
from api.security.signatures import Signer

VALID_SECONDS = 60

_LONGEST = 300


class Tickets:
    """Issues and reads the tickets of the desk in a folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._signer = Signer(folder, b"credit-desk events ticket 1")
        self._clock = clock

    def issue(self, run_id: str, key_id: str) -> EventsTicket:
        """A ticket for the events of a run, in the name of a key.

        Raises UnavailableError when the desk's secret cannot be read.
        """
        expires = int(self._clock()) + VALID_SECONDS
        claims = f"{run_id}:{key_id}:{expires}:{secrets.token_hex(16)}"
        return EventsTicket(
            ticket=self._signer.sign(claims.encode()),
            expires_at=datetime.fromtimestamp(expires, UTC),
        )

    def key_id(self, ticket: str, run_id: str) -> str:
        """The id of the key in whose name a ticket was issued.

        Raises UnauthenticatedError for a ticket of another run or another desk, and for one that
        has expired.
        """
        signed = self._signer.read(ticket[:_LONGEST])
        if signed is None:
            raise _refused()
        named_run, key_id, expires, _ = signed.decode().split(":")
        if named_run != run_id or int(expires) <= self._clock():
            raise _refused()
        return key_id


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("the ticket is not valid for this run, or has expired")
