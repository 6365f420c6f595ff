"""Checkpoints of every schema that a desk has ever written can be gone on from.

`checkpoint_schemas/v<n>.json` is the last checkpoint of a borderline applicant's run, as the
desk of that time wrote it. A new schema comes with a migration and with its own file here; the
old files never change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.contracts.errors import CheckpointSchemaError
from data.contracts.underwriting import Underwriting
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import SCHEMA_VERSION
from flows.runtime.graph.progress import Progress
from flows.runtime.graph.walk import Walk
from flows.workflow import WORKFLOW

FOLDER = Path(__file__).parent / "checkpoint_schemas"
VERSIONS = range(1, SCHEMA_VERSION + 1)


def written(version: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"v{version}.json").read_text())
    return found


def test_there_is_a_checkpoint_of_every_schema_and_of_no_other() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"v{n}.json" for n in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_checkpoint_of_a_past_schema_is_loaded_whole(version: int) -> None:
    body = written(version)
    assert body["schema_version"] == version

    lifted = checkpoints.migrate(body)

    checkpoints.require_usable(lifted, WORKFLOW, Underwriting)
    assert lifted.schema_version == SCHEMA_VERSION
    assert lifted.label == "decision"
    state = Underwriting.model_validate(lifted.state)
    assert state.decision is not None
    assert state.decision.outcome.value == "approve"
    assert [ruling.decision for ruling in state.decision.rulings] == ["approve"]
    assert {message.author for message in lifted.memory} >= {"kyc", "underwriter"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_can_stand_where_a_past_schema_says_that_it_stood(version: int) -> None:
    lifted = checkpoints.migrate(written(version))

    walk = Walk.from_dict(WORKFLOW, lifted.walk)
    progress = Progress.from_dict(WORKFLOW, lifted.progress)

    assert walk.visits["decision"] == 1
    assert progress.overall == pytest.approx(1.0)


def test_a_checkpoint_of_a_later_schema_is_refused() -> None:
    later = written(SCHEMA_VERSION) | {"schema_version": SCHEMA_VERSION + 1}

    with pytest.raises(CheckpointSchemaError, match="reads up to"):
        checkpoints.migrate(later)
