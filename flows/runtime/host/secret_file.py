"""Files that are made once, for their owner alone: the desk's secrets and its signing key."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

SECRET_BYTES = 32


def made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a file, made on first use. Raises OSError.

    Several processes may make it at the same time. Linking fails for all but the first one, and
    all of them read the file of the first one.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.") as draft:  # with 0600
            draft.write(make())
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_bytes()


def secret_in(path: Path) -> bytes:
    """The secret of a file, made on first use. Raises OSError, also for a file of another kind."""
    return _checked(made_once(path, lambda: secrets.token_bytes(SECRET_BYTES)))


def known_secret(path: Path) -> bytes | None:
    """The secret of a file; None where no process of the desk has made it. Raises OSError."""
    try:
        return _checked(path.read_bytes())
    except FileNotFoundError:
        return None


def _checked(secret: bytes) -> bytes:
    if len(secret) != SECRET_BYTES:
        raise OSError("the file is not a secret of the desk")
    return secret
