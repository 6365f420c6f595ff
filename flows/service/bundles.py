"""Bundles as every way in sees them: created once from files, and shown."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa

from agents.voice import require_chat, with_backend
from data.contracts.bundle import Bundle, BundleBody, BundlePage, CreateBundle
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    CreditDeskError,
    Problem,
)
from data.contracts.review import Person
from data.contracts.underwriting import Overrides, Rulebook
from data.settings import AgentBackend, Settings
from flows.rulebook import current_rulebook, with_versions
from flows.runtime.ledger import bundles, schemas
from flows.runtime.ledger.bundles import BundleRow
from flows.runtime.ledger.database import Ledger
from flows.service.requests import Caller
from flows.workflow import WORKFLOW

_DESKS_OWN = "the desk's own"
"""The version of a part that the bundle does not name."""


def bundled(settings: Settings, request: CreateBundle) -> Rulebook:
    """The rulebook of a new bundle, from the files of today.

    Raises ContractViolationError naming each part that is missing, that the desk refuses or cannot
    use, or that is of another workflow than this desk's.
    """
    parts, data_dir = request.parts, settings.data_dir
    if parts.workflow not in {"", WORKFLOW.version}:
        message = f"this desk has workflow {WORKFLOW.version} and no other"
        problem = Problem("/parts/workflow", "unknown_version", message)
        raise ContractViolationError(message, [problem])
    _require_backend(settings, parts.agent_backend)
    named = Overrides(
        policy=parts.policy,
        prices=parts.prices,
        scorecard=parts.scorecard,
        challenger=parts.challenger,
    )
    try:
        rulebook = with_versions(current_rulebook(data_dir), named, data_dir)
    except ContractViolationError as error:
        raise ContractViolationError(
            error.message,
            [
                Problem(found.pointer.replace("/overrides", "/parts"), found.code, found.message)
                for found in error.problems
            ],
        ) from None
    return rulebook.model_copy(
        update={"bundle": request.name, "agent_backend": parts.agent_backend}
    )


def _require_backend(settings: Settings, named: AgentBackend | None) -> None:
    """Refuse a bundle that names a chat model on a desk that cannot ask one."""
    if named is not AgentBackend.CHAT:
        return
    try:
        require_chat(with_backend(settings, named))
    except CreditDeskError as error:
        problem = Problem("/parts/agent_backend", error.code, error.message)
        raise ContractViolationError(f"agent_backend: {error.message}", [problem]) from None


def create(
    connection: sa.Connection, request: CreateBundle, rulebook: Rulebook, by: Person
) -> tuple[Bundle, bool]:
    """Enter a bundle; True when this call entered it. Raises ConflictError for a name that has
    other versions."""
    parts = request.parts.model_copy(update={"workflow": WORKFLOW.version})
    body = BundleBody(parts=parts, versions=_versions(rulebook)).model_dump(mode="json")
    row, is_new = bundles.create(connection, request.name, body, rulebook, WORKFLOW.version, by)
    return _shown(connection, row), is_new


def show(connection: sa.Connection, name: str) -> Bundle:
    """One bundle, with its promotions. Raises RecordNotFoundError."""
    return _shown(connection, bundles.find(connection, name))


def page(connection: sa.Connection) -> BundlePage:
    """All bundles, and which of them decides new runs."""
    force = bundles.in_force(connection)
    return BundlePage(
        items=tuple(_shown(connection, row) for row in bundles.all_bundles(connection)),
        in_force=force.bundle if force else "",
    )


def _shown(connection: sa.Connection, row: BundleRow) -> Bundle:
    force = bundles.in_force(connection)
    body = BundleBody.model_validate(schemas.migrate(BundleBody, row.body))
    return Bundle(
        name=row.name,
        parts=body.parts,
        versions=body.versions,
        pinned=row.pinned,
        is_in_force=force is not None and force.bundle == row.name,
        created_by=row.created_by,
        created_at=row.created_at,
        promotions=tuple(bundles.promotions_of(connection, row.name)),
    )


def _versions(rulebook: Rulebook) -> dict[str, str]:
    return {
        "policy": f"{rulebook.policy.id}/{rulebook.policy.version}",
        "prices": f"{rulebook.prices.table}/{rulebook.prices.version}",
        "scorecard": f"{rulebook.scorecard.name}/{rulebook.scorecard.version}",
        "challenger": f"{rulebook.challenger.name}/{rulebook.challenger.version}",
        "ensemble": f"{rulebook.ensemble.name}/{rulebook.ensemble.version}",
        "authority": f"{rulebook.authority.matrix}/{rulebook.authority.version}",
        "workflow": WORKFLOW.version,
        "agent_backend": rulebook.agent_backend or _DESKS_OWN,
    }


@schemas.migrates_from(BundleBody, 1)
def _by_the_desks_setting(body: dict[str, Any]) -> dict[str, Any]:
    """Bundles of schema 1 say `rules`, but their runs had the backend of the desk."""
    return {
        "parts": body["parts"] | {"agent_backend": None},
        "versions": body["versions"] | {"agent_backend": _DESKS_OWN},
    }


class BundleDesk:
    """What can be asked about bundles."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger

    async def create(self, request: CreateBundle, caller: Caller) -> tuple[Bundle, bool]:
        """Name versions; True when this call entered the bundle. Raises as `bundled` and
        `create` do."""
        rulebook = await asyncio.to_thread(bundled, self._settings, request)
        by = person_of(caller, request.reviewer)
        return await self._ledger.write(create, request, rulebook, by)

    async def page(self) -> BundlePage:
        """All bundles."""
        return await self._ledger.read(page)

    async def show(self, name: str) -> Bundle:
        """One bundle. Raises RecordNotFoundError."""
        return await self._ledger.read(show, name)

    async def withdraw(self, caller: Caller, reviewer: str) -> BundlePage:
        """Let the files of the data folder decide new runs again. Runs that have begun go on by
        what they pinned. Raises ConflictError when no bundle is in force."""
        by = person_of(caller, reviewer)

        def to_files(connection: sa.Connection) -> BundlePage:
            if bundles.in_force(connection) is None:
                raise ConflictError("the files of the data folder are in force already")
            bundles.promote(connection, None, by)
            return page(connection)

        return await self._ledger.write(to_files)


def person_of(caller: Caller, reviewer: str) -> Person:
    """Who asks: the person that a key proves, otherwise the name that was given."""
    return caller.person if caller.proven else Person(name=reviewer or caller.name)
