"""The rulebook of a run: policy, prices, scorecards and authority, each with its version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.bundle import BundleParts
from data.contracts.errors import ContractViolationError, CreditDeskError, Problem
from data.contracts.underwriting import Overrides, Rulebook
from data.settings import settings
from flows.runtime.ledger import bundles, pinned
from flows.runtime.ledger.schemas import migrates_from
from tools.authority import load_authority
from tools.ensemble import load_ensemble
from tools.policy import load_policy
from tools.pricing import load_prices
from tools.scorecard import load_challenger, load_scorecard


def current_rulebook(data_dir: Path) -> Rulebook:
    """The rulebook that a run pins when it starts now.

    Raises RecordNotFoundError or RecordCorruptError naming the file that is missing or bad.
    """
    models, parts = data_dir / "models", BundleParts()
    return Rulebook(
        policy=load_policy(data_dir),
        prices=load_prices(data_dir),
        scorecard=load_scorecard(models / f"{parts.scorecard}.json"),
        challenger=load_challenger(models / f"{parts.challenger}.json"),
        ensemble=load_ensemble(data_dir),
        authority=load_authority(data_dir),
    )


def rulebook_in_force(connection: sa.Connection, data_dir: Path, bundle: str | None) -> Rulebook:
    """What decides now: a bundle by its name, or the promoted one, or the files.

    Raises RecordNotFoundError for a name that is none, and ConflictError for a bundle that this
    version cannot read.
    """
    digest = ""
    if bundle is not None:
        digest = bundles.find(connection, bundle).pinned
    elif (force := bundles.in_force(connection)) is not None:
        digest = force.pinned
    if not digest:
        return current_rulebook(data_dir)
    return rulebook_of(connection, digest)


_read: dict[str, Rulebook] = {}
"""The pinned rulebooks that this process has read, by digest: there are few of them."""


def rulebook_of(connection: sa.Connection, digest: str) -> Rulebook:
    """A pinned rulebook. Raises ConflictError when this version cannot read it."""
    if digest not in _read:
        _read[digest] = pinned.migrate(Rulebook, pinned.pinned_body(connection, digest))
    return _read[digest]


def with_versions(rulebook: Rulebook, given: Overrides, data_dir: Path) -> Rulebook:
    """A rulebook with the versions that the overrides name; the other parts stay. With another
    version it is no longer the bundle that it came from.

    Raises ContractViolationError naming each override whose file is missing or bad.
    """
    loaders: dict[str, Callable[[str], Contract]] = {
        "policy": lambda name: load_policy(data_dir, name),
        "prices": lambda name: load_prices(data_dir, name),
        "scorecard": lambda name: load_scorecard(data_dir / "models" / f"{name}.json"),
        "challenger": lambda name: load_challenger(data_dir / "models" / f"{name}.json"),
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
    return rulebook.model_copy(update=parts | {"bundle": ""}) if parts else rulebook


@migrates_from(Rulebook, 1)
def _with_authority(pinned: dict[str, Any]) -> dict[str, Any]:
    """Add the authority. Runs of schema 1 did not pin it and read it from the data folder."""
    matrix = load_authority(settings().data_dir)
    return pinned | {"authority": matrix.model_dump(mode="json")}
