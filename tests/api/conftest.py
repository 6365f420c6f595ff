"""One fake desk per test, and a client of the real application around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from flows.runtime.ledger.database import Ledger
from tests.api.desks import FakeDesk, app_of, client_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def desk(ledger: Ledger) -> FakeDesk:
    return FakeDesk(ledger)


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(desk)) as opened:
        yield opened
