"""Runs that can be forked: Ada Prime's run in the ledger, with checkpoints as it leaves them."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.contracts.base import canonical_json, sha256_of
from data.contracts.runs import Lineage
from data.contracts.underwriting import Underwriting
from data.settings import settings
from flows.rulebook import current_rulebook
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import applications, pinned, runs
from flows.runtime.ledger.database import Ledger, now
from flows.runtime.ledger.runs import Run
from flows.runtime.ledger.tables import blobs
from flows.workflow import WORKFLOW
from tests.flows.inline import persona


def saved(label: str = "intake", **more: Any) -> Checkpoint:
    plain: dict[str, Any] = {
        "workflow": WORKFLOW.name,
        "workflow_version": WORKFLOW.version,
        "run_id": "parent",
        "label": label,
        "version": 1,
        "ordinal": 1,
        "versions": {},
        "state": Underwriting().model_dump(mode="json"),
        "memory": (),
        "outputs": {},
        "walk": {"frontier": ["start"], "taken": [], "visits": {}},
        "progress": {},
        "fingerprints": {"doc_intake": WORKFLOW.fingerprint("doc_intake")},
    }
    return Checkpoint.model_validate(plain | more)


async def a_parent(ledger: Ledger, *kept: Checkpoint, status: str = "completed") -> runs.Run:
    """A run of Ada Prime in the ledger, with these checkpoints."""
    case = persona("ada-prime").case
    store = CheckpointStore()
    stored = [
        (
            checkpoint,
            f"key-{checkpoint.ordinal}",
            await store.put(f"key-{checkpoint.ordinal}", checkpoint.model_dump(mode="json")),
        )
        for checkpoint in kept
    ]

    def enter(connection: Any) -> runs.Run:
        applications.accept(connection, "ada-prime", case.inputs_sha256(), canonical_json(case))
        runs.register(
            connection, "parent", "application:ada-prime", application_id="ada-prime", status=status
        )
        pinned.pin(connection, "parent", WORKFLOW.version, current_rulebook(settings().data_dir))
        for checkpoint, key, receipt in stored:
            checkpoints.index(connection, checkpoint, key, receipt)
        return runs.find(connection, "parent")

    return await ledger.write(enter)


PAST = ("doc_intake", "verification", "bureau", "risk_ensemble", "policy", "pricing", "decision")


def whole_past() -> list[Checkpoint]:
    """The checkpoints that a finished run of Ada Prime leaves, one after each stage."""
    finished = written_checkpoint()
    outputs = {key: value for key, value in finished.outputs.items() if "review" not in key}
    state = finished.state | {"review": None, "rulings": []}
    return [
        saved(
            WORKFLOW.checkpoint_of(stage),
            ordinal=n,
            state=state | dict.fromkeys(PAST[n:], None),
            outputs={f"{done}#1": outputs[f"{done}#1"] for done in PAST[:n]},
            fingerprints={done: WORKFLOW.fingerprint(done) for done in PAST[:n]},
        )
        for n, stage in enumerate(PAST, start=1)
    ]


def written_checkpoint() -> Checkpoint:
    body = json.loads((Path(__file__).parents[1] / "checkpoint_schemas" / "v1.json").read_text())
    return checkpoints.migrate(body)


async def forked(ledger: Ledger, lineage: Lineage, *kept: Checkpoint) -> runs.Run:
    """A finished fork in the ledger, with these checkpoints."""
    store, saved_here = CheckpointStore(), []
    for checkpoint in kept:
        mine = checkpoint.model_copy(update={"run_id": "fork-1"})
        key = f"fork-key-{checkpoint.ordinal}"
        saved_here.append((mine, key, await store.put(key, mine.model_dump(mode="json"))))

    def enter(connection: Any) -> runs.Run:
        runs.register(
            connection,
            *("fork-1", "fork:1"),
            application_id="ada-prime",
            status="completed",
            lineage=lineage.model_dump(mode="json"),
        )
        book = current_rulebook(settings().data_dir)
        pinned.pin(connection, "fork-1", WORKFLOW.version, book, lineage.pinned)
        for mine, key, receipt in saved_here:
            checkpoints.index(connection, mine, key, receipt)
        return runs.find(connection, "fork-1")

    return await ledger.write(enter)


def spoil_the_pin(connection: Any, run: Run) -> Run:
    """The run, as if it had pinned a rulebook of a schema that no desk can read."""
    document = {"schema_version": 99}
    digest, body = sha256_of(document), zlib.compress(json.dumps(document).encode())
    connection.execute(blobs.insert().values(path=f"pins/{digest}", body=body, written_at=now()))
    return replace(run, versions={"pinned": digest})
