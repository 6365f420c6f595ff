"""The index of checkpoints: which a run has saved, where their bodies lie, with which digest."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from data.contracts.errors import (
    CheckpointNotFoundError,
)
from data.contracts.runs import CheckpointEntry
from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import checkpoints

OF_BATCH = 0
"""In the place of an epoch: what a batch has made for a run. The run's own epochs begin at 1."""


def storage_key(run_id: str, label: str, version: int, epoch: int) -> str:
    """Never used twice: a second execution of a stage has a later lease epoch."""
    return f"checkpoints/{run_id}/{label}/v{version}-{epoch}.json"


def is_of_batch(storage_key: str) -> bool:
    """Whether a batch has made the checkpoint with this key, before the run was executed."""
    return storage_key.endswith(f"-{OF_BATCH}.json")


def index(
    connection: sa.Connection,
    run_id: str,
    label: str,
    version: int,
    *,
    storage_key: str,
    **stored: Any,
) -> None:
    """Enter a checkpoint whose body has been read back, in the caller's transaction.

    `stored` are the other columns of the row. The row replaces the one that an earlier execution
    saved under this name, when the run had to start over because that one could not be used.
    """
    connection.execute(
        checkpoints.delete().where(
            checkpoints.c.run_id == run_id,
            checkpoints.c.label == label,
            checkpoints.c.version == version,
            checkpoints.c.storage_key != storage_key,
        )
    )
    connection.execute(
        checkpoints.insert().values(
            run_id=run_id,
            label=label,
            version=version,
            storage_key=storage_key,
            saved_at=now(),
            **stored,
        )
    )


def entries(connection: sa.Connection, run_id: str) -> list[CheckpointEntry]:
    """A run's checkpoints in the order they were saved."""
    shown = [checkpoints.c[name] for name in CheckpointEntry.model_fields]
    found = connection.execute(
        sa.select(*shown).where(checkpoints.c.run_id == run_id).order_by(checkpoints.c.ordinal)
    )
    return [CheckpointEntry.model_validate(dict(row._mapping)) for row in found]


def last_ordinal(connection: sa.Connection, run_id: str) -> int:
    """The number of a run's newest checkpoint; 0 when it has none."""
    found: int | None = connection.execute(
        sa.select(sa.func.max(checkpoints.c.ordinal)).where(checkpoints.c.run_id == run_id)
    ).scalar_one()
    return found or 0


def count(connection: sa.Connection, run_id: str) -> int:
    """How many checkpoints a run has saved."""
    found: int = connection.execute(
        sa.select(sa.func.count()).where(checkpoints.c.run_id == run_id)
    ).scalar_one()
    return found


def locate(
    connection: sa.Connection, run_id: str, label: str | None = None, version: int | None = None
) -> tuple[str, str] | None:
    """Storage key and digest of a run's last checkpoint, or the last of a label (and version).

    Raises CheckpointNotFoundError for one that was purged: only its digest is left.
    """
    query = (
        sa.select(checkpoints)
        .where(checkpoints.c.run_id == run_id)
        .order_by(checkpoints.c.ordinal.desc())
        .limit(1)
    )
    if label is not None:
        query = query.where(checkpoints.c.label == label)
    if version is not None:
        query = query.where(checkpoints.c.version == version)
    found = connection.execute(query).one_or_none()
    if found is not None and found.purged_at:
        raise CheckpointNotFoundError(
            f"checkpoint {found.label}/{found.version} of run {run_id} was purged at"
            f" {found.purged_at}; what is left is its SHA-256 {found.sha256}"
        )
    return (found.storage_key, found.sha256) if found else None
