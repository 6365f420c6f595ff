"""A desk with a key file, and a client that sends a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.security.keys import KeyFile
from data.settings import Settings
from tests.api.desks import FakeDesk, app_of, client_of


@dataclass
class Guarded:
    """A desk with a key file, and a client of it."""

    keys: KeyFile
    desk: FakeDesk
    client: httpx.AsyncClient

    def key(self, *roles: str, name: str = "ursula") -> str:
        return self.keys.create(name, roles)[1]

    async def get(self, path: str, key: str = "") -> httpx.Response:
        return await self.client.get(path, headers=bearer(key))

    async def post(self, path: str, key: str = "", **body: Any) -> httpx.Response:
        return await self.client.post(path, headers=bearer(key), json=body)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


@pytest.fixture
async def guarded(desk: FakeDesk, tmp_path: Path) -> AsyncIterator[Guarded]:
    keys = KeyFile(tmp_path / "home" / "keys.json")
    keys.create("vera", ["viewer"])
    async with client_of(app_of(desk, Settings(home=tmp_path / "home"))) as client:
        yield Guarded(keys, desk, client)
