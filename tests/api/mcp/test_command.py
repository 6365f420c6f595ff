"""`credit-desk mcp`: what is refused before a model's client hears anything on stdout."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.mcp import endpoint


def test_without_the_extra_the_command_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoint, "find_spec", lambda _name: None)

    ended = CliRunner().invoke(app, ["mcp"])

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "pip install 'credit-desk-lite[mcp]'" in ended.stderr


def test_an_address_that_no_desk_can_have_is_bad_input() -> None:
    ended = CliRunner().invoke(app, ["mcp", "--api", "127.0.0.1:8000"])

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "--api takes an address" in ended.stderr
