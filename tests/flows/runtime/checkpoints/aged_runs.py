"""Runs with checkpoints that are as old as a test says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from data.contracts.runs import Lineage, RunStatus
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import checkpoint_index, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import blobs
from flows.runtime.ledger.tables import checkpoints as index

DAY = timedelta(days=1)


def stamp(ago: timedelta) -> str:
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def a_run(
    ledger: Ledger,
    store: CheckpointStore,
    run_id: str = "run-1",
    *,
    status: RunStatus = RunStatus.COMPLETED,
    ages: tuple[int, ...] = (40, 40, 40),
    lineage: Lineage | None = None,
) -> list[str]:
    """A run with one checkpoint for each age in days; returns their storage keys."""
    await ledger.write(
        runs.register,
        run_id,
        f"fork:{lineage.parent_run_id}:{run_id}" if lineage else f"application:{run_id}",
        application_id=run_id,
        status=status,
        lineage=lineage.model_dump(mode="json") if lineage else None,
    )
    keys = []
    for ordinal, days in enumerate(ages, start=1):
        saved = Checkpoint(
            workflow="leave",
            workflow_version="1",
            run_id=run_id,
            label="checked",
            version=ordinal,
            ordinal=ordinal,
            versions={},
            state={"days": days},
            memory=(),
            outputs={},
            walk={},
            progress={},
            fingerprints={},
        )
        key = checkpoint_index.storage_key(run_id, saved.label, ordinal, 1)
        stored = await store.put(key, saved.model_dump(mode="json"))
        await ledger.write(checkpoints.index, saved, key, stored)
        await ledger.write(age, key, days * DAY)
        keys.append(key)
    return keys


def age(connection: sa.Connection, key: str, ago: timedelta) -> None:
    """Make a checkpoint and its body older than they are."""
    rows = index.update().where(index.c.storage_key == key).values(saved_at=stamp(ago))
    connection.execute(rows)
    connection.execute(blobs.update().where(blobs.c.path == key).values(written_at=stamp(ago)))
