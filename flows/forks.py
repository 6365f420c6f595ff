"""What-if: another run's past up to a checkpoint, with one thing changed.

Everything is checked before anything starts: the checkpoint against today's map and contracts,
each override against the contract of what it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.errors import (
    CheckpointNotFoundError,
    ConflictError,
    ContractViolationError,
    CreditDeskError,
    Problem,
)
from data.contracts.runs import Lineage, RunStatus
from data.contracts.underwriting import Overrides, Rulebook, Underwriting
from data.settings import settings
from flows.runtime import checkpoints, runs
from flows.runtime.checkpoints import START, Checkpoint
from flows.runtime.ledger import Ledger
from flows.runtime.runs import Run
from flows.runtime.storage import Shelf
from flows.workflow import WORKFLOW
from tools.policy import load_policy
from tools.pricing import load_prices
from tools.scorecard import load_scorecard


async def prepare_fork(
    ledger: Ledger,
    parent: Run,
    checkpoint: str | None,
    overrides: dict[str, Any],
    *,
    may_decide: bool,
) -> Lineage:
    """Check everything a fork needs, and fix what it decides by.

    Raises CheckpointNotFoundError for a label that the parent does not have, ConflictError
    while the parent is under way or when the map has changed under its finished stages,
    ContractViolationError naming the override that cannot be.
    """
    if parent.status in {RunStatus.QUEUED, RunStatus.RUNNING}:
        raise ConflictError(f"run {parent.run_id} is still {parent.status.value}: wait for its end")
    given = _overrides(overrides)
    forked_at = START
    if checkpoint not in {None, START}:
        assert checkpoint is not None
        saved = await load_checkpoint(ledger, parent, checkpoint)
        require_unchanged(saved)
        forked_at = f"{saved.label}/{saved.version}"
    _require_possible(await ledger.read(runs.filed, parent.application_id), given)
    pinned = await ledger.read(runs.pinned_body, parent.versions["pinned"])
    rulebook = _rulebook(Rulebook.model_validate_json(pinned), given, settings().data_dir)
    return Lineage(
        parent_run_id=parent.run_id,
        forked_at=forked_at,
        overrides=given.given,
        pinned=await ledger.write(runs.keep_pinned, rulebook),
        may_decide=may_decide,
    )


def require_unchanged(saved: Checkpoint) -> None:
    """Refuse to go on from stages that would no longer mean the same.

    Raises ConflictError with both versions of the map and the way out, a fork from an earlier
    checkpoint; CheckpointCorruptError when an output does not fit its contract.
    """
    checkpoints.require_same_map(saved, WORKFLOW)
    checkpoints.hold_to_contracts(saved, WORKFLOW, Underwriting)


def with_overrides(case: CaseFile, overrides: dict[str, Any]) -> CaseFile:
    """The case with the inputs that a what-if changes. Raises ContractViolationError."""
    inputs = {"amount_requested", "term_months", "as_of_date"} & overrides.keys()
    if not inputs:
        return case
    changed = case.model_dump()
    changed["application"] |= {name: overrides[name] for name in inputs}
    try:
        return CaseFile.model_validate(changed)
    except ValidationError as error:
        raise ContractViolationError.of("overrides", error) from None


def _overrides(overrides: dict[str, Any]) -> Overrides:
    try:
        return Overrides.model_validate(overrides)
    except ValidationError as error:
        found = ContractViolationError.of("overrides", error)
        problems = [
            Problem(f"/overrides{one.pointer}", one.code, one.message) for one in found.problems
        ]
        raise ContractViolationError(found.message, problems) from None


async def load_checkpoint(ledger: Ledger, parent: Run, checkpoint: str) -> Checkpoint:
    """A run's checkpoint by label, the last of it, or by `label/version`.

    Raises CheckpointNotFoundError naming those that there are, or what keeps it from being read.
    """
    label, slash, version = checkpoint.partition("/")
    number = int(version) if version.isdigit() else None
    found = await ledger.read(checkpoints.locate, parent.run_id, label, number)
    if found is None or (slash and number is None):
        entries = await ledger.read(checkpoints.entries, parent.run_id)
        known = ", ".join(f"{one.label}/{one.version}" for one in entries) or "none"
        raise CheckpointNotFoundError(
            f"run {parent.run_id} has no such checkpoint; it has: {known}"
        )
    shelf = await Shelf.open(settings().checkpoint_storage)
    return await checkpoints.load(shelf, *found)


def _require_possible(filed: runs.Filed, given: Overrides) -> None:
    case = CaseFile.model_validate_json(filed.body)
    with_overrides(case, given.given)


def _rulebook(pinned: Rulebook, given: Overrides, data_dir: Path) -> Rulebook:
    """The parent's rulebook with other versions in place of some of its parts."""
    loaders: dict[str, Callable[[str], Contract]] = {
        "policy": lambda name: load_policy(data_dir, name),
        "prices": lambda name: load_prices(data_dir, name),
        "scorecard": lambda name: load_scorecard(data_dir / "models" / f"{name}.json"),
        "challenger": lambda name: load_scorecard(data_dir / "models" / f"{name}.json"),
    }
    parts: dict[str, Any] = {}
    for part, load in loaders.items():
        name = getattr(given, part)
        if name is not None:
            try:
                parts[part] = load(name)
            except CreditDeskError as error:
                problem = Problem(f"/overrides/{part}", error.code, error.message)
                raise ContractViolationError(f"{part}: {error.message}", [problem]) from None
    return pinned.model_copy(update=parts)
