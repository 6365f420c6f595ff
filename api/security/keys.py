"""API keys in their file: the holder and the roles of each key, and the digest of its secret.

A key is `cdk_<id>_<secret>`. The secret has 256 random bits, so its plain digest tells nothing
about it and needs no slow hash. The desk shows the key once, when it makes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Collection, Iterator, Sequence
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
from data.contracts.review import Channel, Person, Role, folded_name
from flows.runtime.host.private_file import private_file

_MARK = "cdk"
_NO_DIGEST = hashlib.sha256(b"").hexdigest()
"""The digest for unknown ids, so that a key with an unknown id takes as long to check as any."""


class ApiKey(Contract):
    """One key as the file holds it."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    name: Annotated[Signature, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
    """The name of the holder. The record names the holder so for each answer with this key."""
    principal: Annotated[str, Field(max_length=100)] = ""
    """The person who holds the key. Several keys may have one principal. Without one, the name
    counts, also against the names of keys that have one."""
    channel: Literal[Channel.HTTP, Channel.CLI, Channel.PAGE] = Channel.HTTP
    """The channel of every request with this key."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    secret_sha256: Sha256
    created_at: Moment
    revoked_at: Moment | None = None

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None

    @property
    def person(self) -> Person:
        return Person(name=self.name, principal=self.principal)


class Keys(Contract):
    """The file as a whole."""

    schema_version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()


class KeyFile:
    """Makes and revokes keys. Every change replaces the whole file, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(
        self,
        name: str,
        roles: Sequence[str],
        *,
        principal: str = "",
        channel: Channel = Channel.HTTP,
    ) -> tuple[ApiKey, str]:
        """A new key and its token, which the desk cannot show again.

        Raises ContractViolationError for an empty name, no role, or an unknown role.
        """
        secret = secrets.token_hex(32)
        with self._locked():
            known = self.read()
            taken = {key.id for key in known.keys}
            key_id = _unused_id(taken)
            try:
                made = ApiKey.model_validate(
                    {
                        "id": key_id,
                        "name": name,
                        "principal": folded_name(principal),
                        "channel": channel,
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
        """Revoke a key for ever.

        The key stays in the file: the record names it, and no other key gets its id. Raises
        RecordNotFoundError, and ConflictError when the key has been revoked already.
        """
        with self._locked():
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
        """All keys; none without a file. Raises UnavailableError for a file it cannot read."""
        try:
            return Keys.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Keys()
        except (OSError, ValidationError) as error:
            raise UnavailableError(
                f"the file of API keys cannot be read: {type(error).__name__}"
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from changing the file between reading and replacing it."""
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
    """The keys of a running API, which reads the file again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._file = KeyFile(path)
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def holder(self, token: str) -> ApiKey | None:
        """The valid key that this token is, if any.

        Raises UnavailableError while the file cannot be read: a broken file opens nothing.
        """
        self._refresh()
        mark, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._keys.get(key_id)
        expected = key.secret_sha256 if key else _NO_DIGEST
        matches = hmac.compare_digest(_digest(secret), expected)
        return key if key and key.is_valid and matches and mark == _MARK else None

    def valid(self, key_id: str) -> ApiKey | None:
        """The valid key with this id, if any. Raises UnavailableError as `holder` does."""
        self._refresh()
        key = self._keys.get(key_id)
        return key if key and key.is_valid else None

    def still_holds(self, key: ApiKey) -> bool:
        """Whether a key is still valid with the same roles. Cheap: called for every stream.

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
    """Replace a file as a whole or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with private_file(path) as file:
        file.write(content)


def _unused_id(taken: Collection[str]) -> str:
    while (key_id := secrets.token_hex(4)) in taken:
        pass
    return key_id


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
