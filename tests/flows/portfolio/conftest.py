"""A desk in this process whose chunks are small."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.settings import settings
from flows.portfolio import chunk
from flows.runtime.execution.desk import this_desk
from flows.runtime.ledger.database import Ledger, shared_ledger

CHUNK_ROWS = 4


@contextmanager
def fresh_caches() -> Iterator[None]:
    """The block reads the settings of this test, and so does what comes after it."""
    cached = (settings, this_desk, shared_ledger, chunk._rulebook)
    for cache in cached:
        cache.cache_clear()
    try:
        yield
    finally:
        for cache in cached:
            cache.cache_clear()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The ledger of a desk of this test alone."""
    monkeypatch.setenv("CREDIT_DESK_HOME", str(tmp_path / "desk"))
    monkeypatch.setenv("CREDIT_DESK_BATCH_CHUNK_SIZE", str(CHUNK_ROWS))
    with fresh_caches():
        opened = shared_ledger(settings().ledger)
        yield opened
        opened.close()
        monkeypatch.undo()


@pytest.fixture
def no_socket_left() -> Iterator[None]:
    """Collect what Prefect has left while the warnings are ignored, and not in a later test."""
    yield
    gc.collect()
