"""docker-compose.yml as compose reads it, and compose itself where a machine has it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.desk import ROOT

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = {
    "CREDIT_DESK_DATABASE_PASSWORD": "secret",
    "CREDIT_DESK_REDIS_PASSWORD": "hidden",
    "CREDIT_DESK_PREFECT_AUTH": "desk:password",
}

_NO_ENV = Path(__file__).with_name("__init__.py")
"""An empty file in place of the `.env` that this checkout may have."""
_VARIABLE = re.compile(r"\$\{(\w+)(:?)([-?])([^}]*)\}")
"""A variable of compose: its name, whether empty counts as missing, and what is there then."""


def filled_in(text: str, given: Mapping[str, str] = SECRETS) -> str:
    """What compose makes of a text with variables. Raises KeyError for one that it asks for."""

    def value(found: re.Match[str]) -> str:
        name, empty_is_missing, kind, otherwise = found.groups()
        if given.get(name) or (name in given and not empty_is_missing):
            return given[name]
        if kind == "?":
            raise KeyError(f"{name}: {otherwise}")
        return otherwise

    return _VARIABLE.sub(value, text)


def environment(service: str, given: Mapping[str, str] = SECRETS) -> dict[str, str]:
    """The variables of a service's container."""
    variables = SERVICES[service].get("environment", {})
    return {name: filled_in(str(text), given) for name, text in variables.items()}


def command(service: str, given: Mapping[str, str] = SECRETS) -> list[str]:
    """The command of a service, after the entrypoint of its image."""
    return [filled_in(word, given) for word in SERVICES[service].get("command", ())]


def started(profiles: Collection[str]) -> set[str]:
    """The services that compose starts: those of no profile, and of each that is switched on."""
    return {
        name
        for name, service in SERVICES.items()
        if not service.get("profiles") or not set(service["profiles"]).isdisjoint(profiles)
    }


def compose(
    *arguments: str, given: Mapping[str, str] = SECRETS
) -> subprocess.CompletedProcess[str]:
    """Run compose on the file, with these variables and no others. Skips without compose."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [*_program(), "--file", str(FILE), "--env-file", str(_NO_ENV), *arguments],
        env={**kept, **given},
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def _program() -> list[str]:
    for words in (["docker-compose"], ["docker", "compose"]):
        if shutil.which(words[0]):
            asked = subprocess.run([*words, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return words
    if os.environ.get("CREDIT_DESK_REQUIRE_COMPOSE"):
        pytest.fail("CREDIT_DESK_REQUIRE_COMPOSE is set, and no docker-compose was found")
    pytest.skip("NO DOCKER-COMPOSE FOUND: docker-compose.yml was read by our own tests only")
