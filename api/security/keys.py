"""API keys at rest: who holds one, in which roles, and nothing that could be used as one.

A key is `cdk_<id>_<secret>`. The secret has 256 random bits, so its plain digest tells nothing
about it and no slow hash is needed; it is shown once, when it is made.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from data.contracts.base import Contract, Moment, Sha256
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    RecordNotFoundError,
    UnavailableError,
)
from data.contracts.personal import Signature
from data.contracts.review import Role

_MARK = "cdk"
_NOBODY = hashlib.sha256(b"").hexdigest()
"""What the secret of an unknown id is compared with, so that it takes as long as any other."""


class ApiKey(Contract):
    """One key as it is kept."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    name: Annotated[Signature, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
    """Whose it is: what the record says of whoever answers with it."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    secret_sha256: Sha256
    created_at: Moment
    revoked_at: Moment | None = None

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None


class Keys(Contract):
    """The file as a whole."""

    schema_version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()


class KeyFile:
    """Makes and revokes keys; every change replaces the file at once, readable by its owner."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, name: str, roles: Sequence[str]) -> tuple[ApiKey, str]:
        """A new key and its token, which nobody can show again.

        Raises ContractViolationError for an empty name, no role, or one that there is not.
        """
        secret = secrets.token_hex(32)
        with self._alone():
            known = self.read()
            taken = {key.id for key in known.keys}
            key_id = next(one for one in iter(lambda: secrets.token_hex(4), "") if one not in taken)
            try:
                made = ApiKey.model_validate(
                    {
                        "id": key_id,
                        "name": name,
                        "roles": tuple(dict.fromkeys(roles)),
                        "secret_sha256": _digest(secret),
                        "created_at": datetime.now(UTC),
                    }
                )
            except ValidationError as error:
                raise ContractViolationError.of("key", error) from None
            self._replace(Keys(keys=(*known.keys, made)))
        return made, f"{_MARK}_{key_id}_{secret}"

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key useless for ever. Raises RecordNotFoundError, ConflictError if it is already.

        It stays in the file: the record names it, and its id is never given again.
        """
        with self._alone():
            known = self.read()
            found = next((key for key in known.keys if key.id == key_id), None)
            if found is None:
                raise RecordNotFoundError("there is no key with this id")
            if not found.is_valid:
                raise ConflictError(f"key {key_id} has been revoked already")
            revoked = found.model_copy(update={"revoked_at": datetime.now(UTC)})
            self._replace(
                Keys(keys=tuple(revoked if key.id == key_id else key for key in known.keys))
            )
        return revoked

    def read(self) -> Keys:
        """All keys; none when there is no file. Raises UnavailableError when it cannot be read."""
        try:
            return Keys.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Keys()
        except (OSError, ValidationError) as error:
            raise UnavailableError(
                f"the file of API keys cannot be read: {type(error).__name__}"
            ) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Between reading and replacing, nobody else changes the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _replace(self, keys: Keys) -> None:
        write_private(self.path, keys.model_dump_json(indent=2).encode())


class KeyRing:
    """The keys as a running API knows them: read again whenever the file has changed."""

    def __init__(self, path: Path) -> None:
        self._file = KeyFile(path)
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def holder(self, token: str) -> ApiKey | None:
        """Whose valid key this is, if it is one.

        Raises UnavailableError while the file cannot be read: nobody is let in by a broken lock.
        """
        self._refresh()
        mark, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._keys.get(key_id)
        expected = key.secret_sha256 if key else _NOBODY
        matches = hmac.compare_digest(_digest(secret), expected)
        return key if key and key.is_valid and matches and mark == _MARK else None

    def still_holds(self, key: ApiKey) -> bool:
        """Whether a key that was shown before is valid still. Cheap: asked for every stream.

        Raises UnavailableError as `holder` does.
        """
        self._refresh()
        return self._keys.get(key.id) == key

    def _refresh(self) -> None:
        try:
            found = self._file.path.stat()
        except OSError:
            self._seen, self._keys = None, {}
            return
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            self._keys = {key.id: key for key in self._file.read().keys}
            self._seen = seen


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place whole or not at all; nobody but its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
