"""Compare two checkpoints: which values differ, and which changed input caused it first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.contracts.base import Contract
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.ledger.json_patch import json_patch
from flows.service.forks import READ_FIRST_IN
from flows.workflow import WORKFLOW

_MOST_ROWS = 200


class Change(Contract):
    """One value that differs."""

    path: str
    """JSON pointer into the state."""
    before: Any = None
    after: Any = None


class Comparison(Contract):
    """The answer of `GET /runs/{id}/diff`."""

    before: str
    """`<run_id>/<label>/<version>`."""
    after: str
    patch: tuple[dict[str, Any], ...]
    """JSON Patch (RFC 6902) from one state to the other."""
    changes: tuple[Change, ...]
    """The same differences for people, stage by stage."""
    summary: str
    """One line: the change of the decision, and the input that caused it first."""


def compare(
    before: Checkpoint,
    after: Checkpoint,
    overrides_before: Mapping[str, Any],
    overrides_after: Mapping[str, Any],
) -> Comparison:
    """Compare the states of two checkpoints, of one run or of a run and its fork.

    The overrides are the inputs that each of the two runs changes.
    """
    patch = json_patch(before.state, after.state)
    changes = [
        Change(path=path, before=_at(before.state, path), after=_at(after.state, path))
        for path in (operation["path"] for operation in patch)
    ]
    changes.sort(key=lambda change: _stage_order(change.path))
    return Comparison(
        before=before.name,
        after=after.name,
        patch=tuple(patch),
        changes=tuple(changes[:_MOST_ROWS]),
        summary=_summary(
            before.state, after.state, changes, _differing(overrides_before, overrides_after)
        ),
    )


def _summary(
    before: dict[str, Any], after: dict[str, Any], changes: list[Change], inputs: dict[str, Any]
) -> str:
    if not changes:
        return "Nothing differs."
    effect = _effect(before, after)
    seen = next((c.path for c in changes if not c.path.startswith("/decision")), changes[0].path)
    place = seen.lstrip("/").replace("/", ".")
    if cause := _cause(changes, inputs):
        what = effect or "the decision is the same, other values differ"
        return f"{what}: caused by {cause}, first seen in {place}."
    return f"{effect or 'The decision is the same'}: first difference in {place}."


def _cause(changes: list[Change], inputs: dict[str, Any]) -> str:
    """The changed input that the first different stage reads, or the last one read before it.

    Inputs that the same stage reads first are named together: their effects cannot be separated.
    A stage that only one of the two runs has reached does not count as different.
    """
    found = [_stage_order(change.path) for change in changes if change.path.count("/") > 1]
    if not found or not inputs:
        return ""
    read_in = {name: WORKFLOW.stages.index(READ_FIRST_IN[name]) for name in inputs}
    before_it = [place for place in read_in.values() if place <= found[0]]
    # A policy with other affordability terms already changes a stage before `policy`.
    first = max(before_it, default=min(read_in.values()))
    return " and ".join(
        f"{name} = {value}" for name, value in inputs.items() if read_in[name] == first
    )


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides in which two runs differ, with the values of the second run."""
    names = [*after, *(name for name in before if name not in after)]
    return {
        name: after.get(name, "as applied for")
        for name in names
        if before.get(name) != after.get(name)
    }


def _effect(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The differences that the applicant would notice. Empty when there are none."""
    old, new = before.get("decision") or {}, after.get("decision") or {}
    noticed = []
    if old.get("outcome") != new.get("outcome"):
        noticed.append(f"{old.get('outcome') or 'undecided'} → {new.get('outcome') or 'undecided'}")
    terms = {"amount": "amount", "rate": "rate", "payment": "payment"}
    for name, title in terms.items():
        offered = (old.get("offer") or {}).get(name)
        offers = (new.get("offer") or {}).get(name)
        if offered != offers:
            noticed.append(f"{title} {offered or 'none'} → {offers or 'none'}")
    return "; ".join(noticed)


def _stage_order(path: str) -> int:
    name = path.split("/")[1] if "/" in path else ""
    return WORKFLOW.stages.index(name) if name in WORKFLOW.stages else len(WORKFLOW.stages)


def _at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer, or None."""
    for part in pointer.split("/")[1:]:
        if not isinstance(document, dict):
            return None
        document = document.get(part.replace("~1", "/").replace("~0", "~"))
    return document
