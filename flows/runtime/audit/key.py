"""The desk's own signing key: made on first use, in its folder, readable by its owner only."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from data.contracts.errors import ContractViolationError, UnavailableError
from flows.runtime.host.secret_file import made_once

FILE = "audit.key"


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key of the desk in this folder. Raises UnavailableError when it cannot be read.

    Of several processes that make it at once, one wins and all have the same.
    """
    try:
        key = load_pem_private_key(made_once(folder / FILE, _new_key), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnavailableError(
            f"the desk's audit key cannot be read: {type(error).__name__}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnavailableError("the desk's audit key is not an Ed25519 key")
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """The public part on one line, as `read_public_key` takes it."""
    return base64.b64encode(_raw(key.public_key())).decode()


def read_public_key(text: str) -> Ed25519PublicKey:
    """A public key as `audit key` prints it, or as PEM. Raises ContractViolationError."""
    try:
        if text.lstrip().startswith("-----BEGIN"):
            key = load_pem_public_key(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("of another kind")
            return key
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.strip(), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        raise ContractViolationError(
            "this is no public key: give what `credit-desk audit key` prints"
        ) from None


def fingerprint(key: Ed25519PublicKey) -> str:
    """A short name for a public key; proves nothing."""
    return hashlib.sha256(_raw(key)).hexdigest()[:16]


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
