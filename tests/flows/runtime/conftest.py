"""The ledger on both of its databases, an S3 server, and the migrations of documents."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from flows.runtime.ledger import schemas
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import metadata
from tests.flows.runtime import postgres, storages


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Ledger]:
    """A migrated ledger on a PostgreSQL server of the tests' own."""
    with postgres.server() as url, Ledger(url) as opened:
        opened.migrate()
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def any_ledger(
    request: pytest.FixtureRequest, tmp_path: Path, empty_ledger: Path
) -> Iterator[Ledger]:
    """An empty, migrated ledger; every test that asks for it is run on both databases."""
    if request.param == "sqlite":
        file = shutil.copy(empty_ledger, tmp_path / "ledger.db")
        with Ledger(f"sqlite:///{file}") as opened:
            yield opened
        return
    on_server: Ledger = request.getfixturevalue("postgresql")
    with on_server.writing() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(sa.text(f"truncate {names}"))
    yield on_server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with storages.s3_server() as url:
        yield url


@pytest.fixture
def migrations() -> Iterator[None]:
    """The registered migrations, put back as they were."""
    known = dict(schemas._migrations)
    yield
    schemas._migrations.clear()
    schemas._migrations.update(known)
