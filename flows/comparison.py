"""Two checkpoints side by side: what differs, and which input it began with."""

from __future__ import annotations

from typing import Any

from data.contracts.base import Contract
from flows.runtime.checkpoints import Checkpoint
from flows.runtime.state import json_patch
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
    """The same for people, stage by stage."""
    summary: str
    """One line: what changed in the decision, and which input caused it first."""


def compare(before: Checkpoint, after: Checkpoint, overrides: dict[str, Any]) -> Comparison:
    """Compare the states of two checkpoints, of one run or of a run and its fork.

    `overrides` are the inputs that differ between the two runs, if any do.
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
        summary=_summary(before.state, after.state, changes, overrides),
    )


def _summary(
    before: dict[str, Any], after: dict[str, Any], changes: list[Change], overrides: dict[str, Any]
) -> str:
    effect = _effect(before, after)
    cause = ", ".join(f"{name} = {value}" for name, value in overrides.items())
    first = next((c.path for c in changes if not c.path.startswith("/decision")), "")
    if not changes:
        return "Nothing differs."
    if cause:
        seen = f", first seen in {first.lstrip('/').replace('/', '.')}" if first else ""
        return f"{effect}: caused by {cause}{seen}."
    return f"{effect}: first difference in {(first or changes[0].path).lstrip('/')}."


def _effect(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What the applicant would notice."""
    old, new = before.get("decision") or {}, after.get("decision") or {}
    told = []
    if old.get("outcome") != new.get("outcome"):
        told.append(f"{old.get('outcome') or 'undecided'} → {new.get('outcome') or 'undecided'}")
    terms = {"amount": "amount", "rate": "rate", "payment": "payment"}
    for name, title in terms.items():
        one = (old.get("offer") or {}).get(name)
        other = (new.get("offer") or {}).get(name)
        if one != other:
            told.append(f"{title} {one or 'none'} → {other or 'none'}")
    return "; ".join(told) if told else "The decision is the same"


def _stage_order(path: str) -> int:
    name = path.split("/")[1] if "/" in path else ""
    return WORKFLOW.stages.index(name) if name in WORKFLOW.stages else len(WORKFLOW.stages)


def _at(document: Any, pointer: str) -> Any:
    """The value a JSON pointer names, or None."""
    for part in pointer.split("/")[1:]:
        if not isinstance(document, dict):
            return None
        document = document.get(part.replace("~1", "/").replace("~0", "~"))
    return document
