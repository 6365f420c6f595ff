"""`credit-desk keys`, and how the commands show a key to the desk."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app
from api.cli.client import DeskClient, find_desk, local_key_file
from api.cli.options import given_key
from api.security.keys import KeyFile, KeyRing
from data.contracts.review import Channel
from data.settings import Settings
from flows.runtime.host.desk_lock import DeskLock
from tests.api.cli.conftest import serving
from tests.api.desks import FakeDesk


def run(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env=environment)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@contextmanager
def guarded(desk: FakeDesk, home: Path) -> Iterator[str]:
    """The address of a desk that asks for the keys in this folder."""
    with serving(desk, Settings(home=home)) as url:
        yield url


def test_a_key_is_made_shown_once_listed_and_revoked(home: Path) -> None:
    made = run(
        "keys",
        "create",
        "--name",
        "ursula",
        "--role",
        "intake",
        "--role",
        "underwriter",
        "--home",
        str(home),
    )
    token = made.stdout.strip()
    key = KeyRing(home / "keys.json").holder(token)
    assert key is not None

    listed = run("keys", "list", "--home", str(home))
    as_json = run("keys", "list", "--json", "--home", str(home))
    revoked = run("keys", "revoke", key.id, "--home", str(home))

    assert (made.exit_code, listed.exit_code, revoked.exit_code) == (0, 0, 0)
    assert "intake, underwriter" in listed.stdout
    assert [key["name"] for key in json.loads(as_json.stdout)] == ["ursula"]
    assert token.split("_")[2] not in listed.stdout + as_json.stdout + made.stderr
    assert KeyRing(home / "keys.json").holder(token) is None


def test_a_key_names_its_person_and_a_local_key_the_command_line(home: Path) -> None:
    given = ("--role", "viewer", "--home", str(home))
    run("keys", "create", "--name", "Una Writer", "--principal", "E-17", *given)
    run("keys", "create", "--name", "ursula", "--local", *given)

    first, local = KeyFile(home / "keys.json").read().keys
    listed = run("keys", "list", "--home", str(home)).stdout

    assert (first.principal, first.channel) == ("e-17", Channel.HTTP)
    assert (local.principal, local.channel) == ("", Channel.CLI)
    assert "e-17" in listed


def test_keys_lie_where_the_settings_say(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "etc" / "keys.json"

    made = run(
        "keys",
        "create",
        "--name",
        "u",
        "--role",
        "viewer",
        "--home",
        str(home),
        CREDIT_DESK_API_KEYS_FILE=str(elsewhere),
    )

    assert made.exit_code == 0
    assert [key.name for key in KeyFile(elsewhere).read().keys] == ["u"]
    assert not (home / "keys.json").exists()


def test_an_unknown_role_is_bad_input_and_leaves_no_key(home: Path) -> None:
    outcome = run("keys", "create", "--name", "u", "--role", "king", "--home", str(home))

    assert outcome.exit_code == 2
    assert "underwriter" in outcome.stderr
    assert not (home / "keys.json").exists()


def test_a_key_that_there_is_not_cannot_be_revoked(home: Path) -> None:
    outcome = run("keys", "revoke", "00000000", "--home", str(home))

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("credit-desk: there is no key")


def test_without_keys_the_list_says_what_that_means(home: Path) -> None:
    assert "every role" in run("keys", "list", "--home", str(home)).stdout


def test_commands_show_the_key_they_are_given(desk: FakeDesk, home: Path) -> None:
    _, token = KeyFile(home / "keys.json").create("ursula", ["viewer"])
    with guarded(desk, home) as url:
        without = run("runs", "--api", url)
        by_option = run("--key", token, "runs", "--api", url)
        by_environment = run("runs", "--api", url, CREDIT_DESK_API_KEY=token)
        not_allowed = run("--key", token, "submit", "ada-prime", "--api", url)

    assert [ended.exit_code for ended in (without, by_option, by_environment, not_allowed)] == [
        1,
        0,
        0,
        1,
    ]
    assert "CREDIT_DESK_API_KEY" in without.stderr
    assert "another role: intake" in not_allowed.stderr


def test_a_local_key_is_for_the_desk_of_its_folder_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(
        "keys", "create", "--name", "o", "--role", "operator", "--local", "--home", str(home)
    )
    token = made.stdout.strip()
    shown: list[tuple[str, str]] = []
    monkeypatch.setattr("api.cli.client.DeskClient", lambda url, key="": shown.append((url, key)))
    with DeskLock(home) as lock:
        lock.publish(api_url="http://127.0.0.1:1", prefect_url="http://127.0.0.1:2")
        find_desk(None, home)
    find_desk("http://127.0.0.1:3", home)

    assert stat.S_IMODE(local_key_file(home).stat().st_mode) == 0o600
    assert shown == [("http://127.0.0.1:1", token), ("http://127.0.0.1:3", "")]


async def test_the_key_goes_along_with_every_request() -> None:
    sent: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization"))
        return httpx.Response(200, json={})

    for key in ("cdk_1_2", ""):
        async with DeskClient("http://desk", httpx.MockTransport(answer), key) as client:
            await client.get("/runs")

    assert sent == ["Bearer cdk_1_2", None]


def test_the_key_of_one_command_line_is_not_the_next_one_s(home: Path) -> None:
    run("--key", "cdk_1_2", "keys", "list", "--home", str(home))
    run("keys", "list", "--home", str(home))

    assert given_key.get() == ""
