"""Texts that the desk signs with its own secret, so that it knows them again without storing them.

Every API process of a desk reads the same secret from the desk's folder. So each accepts the texts
of all others, and a restart changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cached_property
from pathlib import Path

from data.contracts.errors import UnavailableError
from flows.runtime.host.secret_file import secret_in

FILE = "tickets.secret"


class Signer:
    """Signs texts for one purpose. A text that was signed for another purpose is not accepted."""

    def __init__(self, folder: Path, purpose: bytes) -> None:
        self._path = folder / FILE
        self._purpose = purpose

    def sign(self, claims: bytes) -> str:
        """The claims with their signature, in signs that an address and a cookie may hold.

        Raises UnavailableError when the desk's secret cannot be read.
        """
        return f"{_text(claims)}.{_text(self.digest(claims))}"

    def read(self, signed: str) -> bytes | None:
        """The claims of a signed text; None unless this desk has signed it for this purpose.

        Raises UnavailableError as `sign` does.
        """
        claims, _, signature = signed.partition(".")
        try:
            given, shown = _bytes(claims), _bytes(signature)
        except ValueError:
            return None
        return given if hmac.compare_digest(self.digest(given), shown) else None

    def digest(self, claims: bytes) -> bytes:
        """The signature alone. Raises UnavailableError as `sign` does."""
        return hmac.digest(self._key, claims, hashlib.sha256)

    @cached_property
    def _key(self) -> bytes:
        try:
            secret = secret_in(self._path)
        except OSError as error:
            raise UnavailableError(
                f"the secret of the tickets cannot be read: {type(error).__name__}"
            ) from None
        return hmac.digest(secret, self._purpose, hashlib.sha256)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
