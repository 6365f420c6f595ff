"""The real application around a fake desk, on a port of its own, and clients of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from api.security.keys import KeyFile
from data.settings import Settings
from tests.api.cli.conftest import serving
from tests.api.desks import FakeDesk


@asynccontextmanager
async def connected(url: str, mode: str = "auto", **headers: str) -> AsyncIterator[Client]:
    """A client of the tools of an API, which sends these headers with every message."""
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@dataclass(frozen=True)
class Served:
    """A desk with a key file, and its address."""

    url: str
    keys: KeyFile

    def key(self, *roles: str) -> str:
        return self.keys.create("ursula", roles)[1]


@pytest.fixture
def url(desk: FakeDesk, tmp_path: Path) -> Iterator[str]:
    with serving(desk, Settings(home=tmp_path)) as address:
        yield address


@pytest.fixture
def served(desk: FakeDesk, tmp_path: Path) -> Iterator[Served]:
    keys = KeyFile(tmp_path / "keys.json")
    keys.create("vera", ["viewer"])
    with serving(desk, Settings(home=tmp_path)) as address:
        yield Served(address, keys)
