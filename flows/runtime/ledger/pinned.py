"""What runs decide by, as a later desk reads it: lifted to today's schema, or refused.

A pinned contract that has changed says so by a field `schema_version`; what was pinned before it
had that field is of version 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from data.contracts.base import Contract
from data.contracts.errors import ConflictError

Pin = TypeVar("Pin", bound=Contract)
Migration = Callable[[dict[str, Any]], dict[str, Any]]

_migrations: dict[tuple[type[Contract], int], Migration] = {}


def migrates_from(contract: type[Contract], version: int) -> Callable[[Migration], Migration]:
    """Register the function that lifts what was pinned as `version` to the next."""

    def register(lift: Migration) -> Migration:
        _migrations[contract, version] = lift
        return lift

    return register


def schema_of(contract: type[Contract]) -> int:
    """The version that is pinned today."""
    field = contract.model_fields.get("schema_version")
    return field.default if field else 1


def lifted(contract: type[Pin], body: bytes) -> Pin:
    """What was pinned, of any known schema, as today's contract.

    Raises ConflictError with both versions and the way out, a fork from the start.
    """
    document = json.loads(body)
    pinned = version = document.get("schema_version", 1)
    while (lift := _migrations.get((contract, version))) is not None:
        version += 1
        document = lift(document) | {"schema_version": version}
    try:
        return contract.model_validate_json(json.dumps(document))
    except ValidationError as error:
        fields = ", ".join("/".join(map(str, found["loc"])) for found in error.errors())
        raise ConflictError(
            f"what the run decides by cannot be read any more (run: schema {pinned}, desk: "
            f"schema {schema_of(contract)}): {fields}; fork from 'start', by what is in force now"
        ) from None
