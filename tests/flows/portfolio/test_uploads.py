"""Uploaded portfolios: removed when their time is up, unless a batch still reads them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.contracts.review import Person
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.portfolio import uploads
from flows.runtime.ledger import batches, tables
from flows.runtime.ledger.database import Ledger

DAY = 86_400


def sent(name: str, days_ago: float) -> Path:
    """An upload of some days ago."""
    path = uploads.folder_of(settings()) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n")
    moment = time.time() - days_ago * DAY
    os.utime(path, (moment, moment))
    return path


def of_batch(ledger: Ledger, path: Path, status: RunStatus) -> Path:
    """The same upload, with the batch that it became."""

    def enter(connection: sa.Connection) -> None:
        batch, _ = batches.register(
            connection,
            f"{path.name:0<64}",
            {},
            path=str(path),
            file_name=path.name,
            is_copy=True,
            submitted_by=Person(name="Ola"),
        )
        this = tables.batches.c.batch_id == batch.batch_id
        connection.execute(tables.batches.update().where(this).values(status=status))

    with ledger.writing() as connection:
        enter(connection)
    return path


def test_uploads_of_batches_that_stopped_are_removed_when_their_time_is_up(ledger: Ledger) -> None:
    failed = of_batch(ledger, sent("failed.jsonl", 31), RunStatus.FAILED)
    cancelled = of_batch(ledger, sent("cancelled.jsonl", 31), RunStatus.CANCELLED)
    broken_off = sent(".upload.part", 31)
    lately = of_batch(ledger, sent("lately.jsonl", 29), RunStatus.FAILED)
    under_way = of_batch(ledger, sent("running.jsonl", 31), RunStatus.RUNNING)
    waits = of_batch(ledger, sent("queued.jsonl", 31), RunStatus.QUEUED)

    assert uploads.purge(ledger, settings(), dry_run=True) == 3
    assert all(path.exists() for path in (failed, cancelled, broken_off))
    assert uploads.purge(ledger, settings()) == 3

    left = {path.name for path in uploads.folder_of(settings()).iterdir()}
    assert left == {lately.name, under_way.name, waits.name}


def test_zero_days_keep_all_uploads(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    sent("failed.jsonl", 1000)
    keeps = settings().model_copy(update={"batch_upload_days": 0})

    assert uploads.purge(ledger, keeps) == 0


def test_a_desk_without_uploads_has_none_to_remove(ledger: Ledger) -> None:
    assert uploads.purge(ledger, settings()) == 0
