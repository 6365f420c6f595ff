"""Checkpoints: the whole of a run after a stage, under a name and a version.

The body goes to the result storage first, under a key that is never written twice, and is read
back; the index row follows in the transaction that ends the stage. A body without a row is a
stage that was executed in vain; a row without a readable body means replay from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import Field, ValidationError

from data.contracts.base import Contract
from data.contracts.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointSchemaError,
    ConflictError,
)
from data.contracts.runs import CheckpointEntry, Message
from flows.runtime.checkpoints.store import Shelf, Stored
from flows.runtime.graph.workflow import Workflow
from flows.runtime.ledger.database import checkpoints, now

SCHEMA_VERSION = 1

Migration = Callable[[dict[str, Any]], dict[str, Any]]
_migrations: dict[int, Migration] = {}


def migrates_from(version: int) -> Callable[[Migration], Migration]:
    """Register the function that lifts a checkpoint's body from `version` to the next."""

    def register(lift: Migration) -> Migration:
        _migrations[version] = lift
        return lift

    return register


class Checkpoint(Contract):
    """Everything that an execution needs to go on from here, and nothing personal."""

    schema_version: int = SCHEMA_VERSION
    workflow: str
    workflow_version: str
    run_id: str
    label: str
    version: int
    ordinal: int
    """The run's n-th checkpoint, from 1; the highest is where it goes on."""
    parent: str = ""
    """`<run_id>/<label>/<version>` of the one before, also across a fork."""
    versions: dict[str, Any]
    """What the run pinned at its start: policy, scorecards, prices."""
    state: dict[str, Any]
    memory: tuple[Message, ...]
    outputs: dict[str, Any]
    """Each finished stage's output by `<stage>#<visit>`."""
    walk: dict[str, Any]
    progress: dict[str, Any]
    fingerprints: dict[str, str]
    """What each finished stage meant on the map when it ran."""
    data: dict[str, Any] = Field(default_factory=dict)
    """What the caller of `save_checkpoint` added."""

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.label}/{self.version}"


def storage_key(run_id: str, label: str, version: int, epoch: int) -> str:
    """Never used twice: a second execution of a stage has a later lease epoch."""
    return f"checkpoints/{run_id}/{label}/v{version}-{epoch}.json"


def index(connection: sa.Connection, checkpoint: Checkpoint, key: str, stored: Stored) -> None:
    """Enter a checkpoint whose body has been read back, in the caller's transaction.

    It takes the place of the one that an earlier execution saved under this name, when the run
    had to start over because that could not be used.
    """
    connection.execute(
        checkpoints.delete().where(
            checkpoints.c.run_id == checkpoint.run_id,
            checkpoints.c.label == checkpoint.label,
            checkpoints.c.version == checkpoint.version,
            checkpoints.c.storage_key != key,
        )
    )
    connection.execute(
        checkpoints.insert().values(
            run_id=checkpoint.run_id,
            label=checkpoint.label,
            version=checkpoint.version,
            ordinal=checkpoint.ordinal,
            storage_key=key,
            sha256=stored.sha256,
            bytes=stored.bytes,
            schema_version=checkpoint.schema_version,
            workflow_version=checkpoint.workflow_version,
            saved_at=now(),
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


async def load(shelf: Shelf, key: str, sha256: str) -> Checkpoint:
    """Fetch, verify and lift a checkpoint to today's schema.

    Raises CheckpointNotFoundError, CheckpointCorruptError, or CheckpointSchemaError when it was
    written by a newer version of the desk, or by one that no migration leads on from.
    """
    return lifted(await shelf.get(key, sha256))


def lifted(body: Mapping[str, Any]) -> Checkpoint:
    """A stored body of any known schema as today's checkpoint."""
    document = dict(body)
    version = document.get("schema_version")
    if not isinstance(version, int):
        raise CheckpointCorruptError("the checkpoint does not say which schema it has")
    if version > SCHEMA_VERSION:
        raise CheckpointSchemaError(
            f"the checkpoint has schema {version}, this desk reads up to {SCHEMA_VERSION}"
        )
    while version < SCHEMA_VERSION:
        if version not in _migrations:
            raise CheckpointSchemaError(f"no migration leads on from checkpoint schema {version}")
        document = _migrations[version](document)
        version += 1
        document["schema_version"] = version
    try:
        return Checkpoint.model_validate(document)
    except ValidationError as error:
        fields = ", ".join("/".join(map(str, found["loc"])) for found in error.errors())
        raise CheckpointCorruptError(f"the checkpoint does not fit its schema: {fields}") from None


START = "start"
"""The name, where checkpoints are named, of the place before the first one."""


def require_usable(saved: Checkpoint, workflow: Workflow, state: type[Contract]) -> None:
    """Refuse to go on from stages that would no longer mean the same, or cannot be read.

    Raises ConflictError with both versions of the map and the way out, a fork from an earlier
    checkpoint.
    """
    _require_same_map(saved, workflow)
    _hold_to_contracts(saved, workflow, state)


def _require_same_map(saved: Checkpoint, workflow: Workflow) -> None:
    changed = sorted(
        stage
        for stage, fingerprint in saved.fingerprints.items()
        if stage not in workflow.stages or workflow.fingerprint(stage) != fingerprint
    )
    if changed:
        raise _drifted(saved, workflow, f"the map has changed in {', '.join(changed)}")


def _hold_to_contracts(saved: Checkpoint, workflow: Workflow, state: type[Contract]) -> None:
    held: list[tuple[str, type[Contract], Any]] = [("state", state, saved.state)]
    for key, output in saved.outputs.items():
        gives = workflow.gives(key.split("#")[0])
        held.append((f"outputs/{key}", gives, output))
    for where, contract, value in held:
        try:
            contract.model_validate(value)
        except ValidationError as error:
            fields = ", ".join("/".join(map(str, found["loc"])) for found in error.errors())
            raise _drifted(saved, workflow, f"{where} has another form: {fields}") from None


def _drifted(saved: Checkpoint, workflow: Workflow, what: str) -> ConflictError:
    return ConflictError(
        f"since checkpoint {saved.label}/{saved.version} {what} (run: version "
        f"{saved.workflow_version}, desk: version {workflow.version}); fork from an earlier "
        f"checkpoint or from '{START}' instead"
    )
