"""Keys at rest: made once, never kept in plain text, and where their file is."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from api.security.keys import KeyFile, KeyRing
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    RecordNotFoundError,
    UnavailableError,
)
from data.settings import Settings


def test_a_secret_is_shown_once_and_never_kept(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")

    key, token = file.create("ursula", ["underwriter"])

    mark, key_id, secret = token.split("_")
    assert (mark, key_id) == ("cdk", key.id)
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in file.path.read_text()


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, _ = file.create("ursula", ["underwriter"])
    file.revoke(key.id)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [left.name for left in tmp_path.iterdir() if left.suffix == ".tmp"] == []


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("", ["viewer"]),
        (" ", ["viewer"]),
        ("ursula", []),
        ("ursula", ["boss"]),
        ("ursula\rINFO all is well", ["viewer"]),
        ("ursula\u2028root", ["viewer"]),
    ],
)
def test_a_key_needs_a_name_and_known_roles(tmp_path: Path, name: str, roles: list[str]) -> None:
    file = KeyFile(tmp_path / "keys.json")

    with pytest.raises(ContractViolationError):
        file.create(name, roles)

    assert file.read().keys == ()


def test_a_key_is_revoked_once(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, _ = file.create("ursula", ["underwriter"])

    assert not file.revoke(key.id).is_valid
    with pytest.raises(ConflictError):
        file.revoke(key.id)
    with pytest.raises(RecordNotFoundError):
        file.revoke("00000000")


async def test_keys_made_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    await asyncio.gather(
        *(asyncio.to_thread(KeyFile(path).create, f"n{n}", ["viewer"]) for n in range(12))
    )

    assert {key.name for key in KeyFile(path).read().keys} == {f"n{n}" for n in range(12)}


@pytest.mark.parametrize("altered", ["secret", "id", "mark", "short", "empty"])
def test_a_key_that_differs_in_anything_is_no_key(tmp_path: Path, altered: str) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, token = file.create("ursula", ["underwriter"])
    mark, key_id, secret = token.split("_")
    other = {
        "secret": f"{mark}_{key_id}_{'0' * 64}",
        "id": f"{mark}_ffffffff_{secret}",
        "mark": f"abc_{key_id}_{secret}",
        "short": token[:-1],
        "empty": "",
    }[altered]
    ring = KeyRing(file.path)

    assert ring.holder(other) is None
    found = ring.holder(token)
    assert found is not None
    assert found.name == "ursula"


def test_a_broken_file_opens_nothing(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, token = file.create("ursula", ["underwriter"])
    ring = KeyRing(file.path)
    file.path.write_text("{")

    with pytest.raises(UnavailableError):
        ring.holder(token)


def test_a_key_holds_as_long_as_it_is_the_one_that_was_shown(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, token = file.create("ursula", ["underwriter"])
    ring = KeyRing(file.path)
    assert ring.still_holds(key)

    file.create("otto", ["operator"])
    assert ring.still_holds(key)

    file.path.write_text(file.path.read_text().replace("underwriter", "operator"))
    assert ring.holder(token) is not None
    assert not ring.still_holds(key)


def test_settings_and_middleware_agree_on_where_the_keys_are(tmp_path: Path) -> None:
    named = tmp_path / "etc" / "keys.json"

    assert [Settings(home=tmp_path).has_api_keys, Settings(home=named.parent).has_api_keys] == [
        False,
        False,
    ]
    KeyFile(Settings(home=tmp_path).keys_file).create("ursula", ["viewer"])
    assert [Settings(home=tmp_path).has_api_keys, Settings(home=named.parent).has_api_keys] == [
        True,
        False,
    ]
    assert Settings(home=tmp_path, api_keys_file=named).keys_file == named
