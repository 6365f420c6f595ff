"""Checkpoints: the whole of a run after a stage, under a name and a version.

The body goes to the result storage first, under a key that is never written twice, and is read
back; the index row follows in the transaction that ends the stage. A body without a row is a
stage that was executed in vain; a row without a readable body means replay from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic import Field, ValidationError

from data.contracts.base import Contract
from data.contracts.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointSchemaError,
    ConflictError,
)
from data.contracts.runs import Lineage, Message
from flows.runtime.checkpoints.store import CheckpointStore, Stored
from flows.runtime.graph.workflow import Workflow
from flows.runtime.ledger import checkpoint_index, schemas
from flows.runtime.ledger.database import Ledger

SCHEMA_VERSION = 1


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


def index(connection: sa.Connection, saved: Checkpoint, key: str, stored: Stored) -> None:
    """Enter a checkpoint whose body has been read back, in the caller's transaction."""
    checkpoint_index.index(
        connection,
        saved.run_id,
        saved.label,
        saved.version,
        storage_key=key,
        ordinal=saved.ordinal,
        sha256=stored.sha256,
        bytes=stored.bytes,
        schema_version=saved.schema_version,
        workflow_version=saved.workflow_version,
    )


async def load(store: CheckpointStore, key: str, sha256: str) -> Checkpoint:
    """Fetch, verify and lift a checkpoint to today's schema.

    Raises CheckpointNotFoundError, CheckpointCorruptError, or CheckpointSchemaError when it was
    written by a newer version of the desk, or by one that no migration leads on from.
    """
    return migrate(await store.get(key, sha256))


class LastCheckpoint(NamedTuple):
    """Where a run goes on."""

    checkpoint: Checkpoint
    is_shared: bool
    """Whether it is the parent's, of a fork that has saved none yet."""
    is_taken_over: bool
    """Whether the run has executed none of it: it is shared, or a batch has made it."""


async def load_last(
    ledger: Ledger, store: CheckpointStore, run_id: str, fork: Lineage | None
) -> LastCheckpoint | None:
    """The checkpoint that a run goes on from; None for a run at its start. Raises as `load`."""
    found, shared = await ledger.read(checkpoint_index.locate, run_id), False
    if found is None and fork is not None and fork.place is not None:
        found = await ledger.read(checkpoint_index.locate, fork.parent_run_id, *fork.place)
        shared = True
        if found is None:
            raise CheckpointNotFoundError(f"the parent has no checkpoint {fork.forked_at}")
    if found is None:
        return None
    is_taken_over = shared or checkpoint_index.is_of_batch(found[0])
    return LastCheckpoint(await load(store, *found), shared, is_taken_over)


def migrate(body: Mapping[str, Any]) -> Checkpoint:
    """A stored body of any known schema as today's checkpoint."""
    if "schema_version" not in body:
        raise CheckpointCorruptError("the checkpoint does not say which schema it has")
    try:
        return Checkpoint.model_validate(schemas.migrate(Checkpoint, body))
    except schemas.NoMigrationError as error:
        raise CheckpointSchemaError(f"the checkpoint cannot be read: {error}") from None
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
