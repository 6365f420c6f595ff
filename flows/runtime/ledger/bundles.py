"""Bundles: named versions to decide by, written once; and which of them is in force.

A bundle keeps what it decides by under its digest, so that files which change later change no
bundle. The ledger knows of that document only the digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.errors import ConflictError, RecordNotFoundError
from data.contracts.review import Person
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.pinned import keep_pinned
from flows.runtime.ledger.tables import bundles, promotions


@dataclass(frozen=True)
class BundleRow:
    """One bundle."""

    name: str
    body: Mapping[str, Any]
    """The versions that it names."""
    pinned: str
    """The digest of what it decides by."""
    workflow_version: str
    created_by: str
    created_by_principal: str
    created_at: str

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        return cls(**row._mapping)


@dataclass(frozen=True)
class InForce:
    """What decides now: a promoted bundle."""

    bundle: str
    pinned: str


_COLUMNS = [bundles.c[field.name] for field in fields(BundleRow)]


def create(
    connection: sa.Connection,
    name: str,
    body: Mapping[str, Any],
    document: Contract,
    workflow_version: str,
    by: Person,
) -> tuple[BundleRow, bool]:
    """Enter a bundle; True when this call entered it.

    The same name with the same content is the same bundle. Raises ConflictError when the name has
    another content: a bundle is never changed.
    """
    digest = keep_pinned(connection, document)
    row = {
        "name": name,
        "body": dict(body),
        "pinned": digest,
        "workflow_version": workflow_version,
        "created_by": by.name,
        "created_by_principal": by.principal,
        "created_at": now(),
    }
    is_new = insert_or_ignore(connection, bundles, row)
    known = find(connection, name)
    if (known.pinned, known.workflow_version) != (digest, workflow_version):
        raise ConflictError(f"bundle {name} has other versions: a bundle is never changed")
    return known, is_new


def find(connection: sa.Connection, name: str) -> BundleRow:
    """One bundle. Raises RecordNotFoundError."""
    query = sa.select(*_COLUMNS).where(bundles.c.name == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no bundle {name}")
    return BundleRow.of(row)


def all_bundles(connection: sa.Connection) -> list[BundleRow]:
    """Every bundle, the newest first."""
    query = sa.select(*_COLUMNS).order_by(bundles.c.created_at.desc(), bundles.c.name)
    return [BundleRow.of(row) for row in connection.execute(query)]


def in_force(connection: sa.Connection) -> InForce | None:
    """The bundle that was promoted last; None while the files of the data folder decide."""
    query = sa.select(promotions.c.bundle, promotions.c.pinned)
    last = connection.execute(query.order_by(promotions.c.number.desc()).limit(1)).one_or_none()
    return InForce(*last) if last is not None and last.bundle else None


def promote(
    connection: sa.Connection,
    bundle: BundleRow | None,
    by: Person,
    canary_id: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """Put a bundle into force, or with None the files of the data folder. Runs that have begun
    keep what they pinned."""
    last = connection.execute(sa.select(sa.func.max(promotions.c.number))).scalar()
    connection.execute(
        promotions.insert().values(
            number=(last or 0) + 1,
            bundle=bundle.name if bundle else "",
            pinned=bundle.pinned if bundle else "",
            canary_id=canary_id,
            evidence=dict(evidence or {}),
            promoted_by=by.name,
            promoted_by_principal=by.principal,
            promoted_at=now(),
        )
    )


def promotions_of(connection: sa.Connection, name: str) -> list[dict[str, Any]]:
    """When a bundle was put into force, by whom, and on which evidence."""
    query = sa.select(promotions).where(promotions.c.bundle == name)
    found = connection.execute(query.order_by(promotions.c.number))
    return [dict(row._mapping) for row in found]
