"""Stored documents of older schemas: one registry of migrations for everything the desk keeps.

A contract that is stored names its schema in a field `schema_version`. A document without that
field is of version 1. A new version comes with a function that leads on from the version before
it; a document that no function leads on from is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from data.contracts.base import Contract

Migration = Callable[[dict[str, Any]], dict[str, Any]]

_migrations: dict[tuple[type[Contract], int], Migration] = {}


class NoMigrationError(ValueError):
    """A stored document has a schema that this version of the desk cannot read."""


def migrates_from(contract: type[Contract], version: int) -> Callable[[Migration], Migration]:
    """Register the function that turns a stored `version` of a contract into the next version."""

    def register(migration: Migration) -> Migration:
        _migrations[contract, version] = migration
        return migration

    return register


def schema_of(contract: type[Contract]) -> int:
    """The schema version that the desk stores today."""
    field = contract.model_fields.get("schema_version")
    return field.default if field else 1


def version_of(document: Mapping[str, Any]) -> Any:
    """The schema version that a stored document names."""
    return document.get("schema_version", 1)


def migrate(contract: type[Contract], document: Mapping[str, Any]) -> dict[str, Any]:
    """A stored document in the schema of today.

    Raises NoMigrationError when its schema is newer than today's, or when a step is missing.
    """
    current, version = schema_of(contract), version_of(document)
    if not isinstance(version, int) or version > current:
        raise NoMigrationError(f"it has schema {version}, this desk reads up to {current}")
    migrated = dict(document)
    while version < current:
        step = _migrations.get((contract, version))
        if step is None:
            raise NoMigrationError(f"no migration leads on from schema {version}")
        version += 1
        migrated = step(migrated) | {"schema_version": version}
    return migrated
