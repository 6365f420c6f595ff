"""Texts that the desk signs with its own secret, so that it knows them again without storing them.

Every API process of a desk reads the same secret from the desk's folder. So each accepts the texts
of all others, and a restart changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile

from data.contracts.errors import UnavailableError

FILE = "tickets.secret"

_SECRET_BYTES = 32


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
            secret = _secret(self._path)
        except OSError as error:
            raise UnavailableError(
                f"the secret of the tickets cannot be read: {type(error).__name__}"
            ) from None
        return hmac.digest(secret, self._purpose, hashlib.sha256)


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


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
