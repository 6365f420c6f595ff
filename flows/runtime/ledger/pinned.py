"""What a run decides by: pinned when the run is first executed, and read as it was pinned.

A later desk reads an older schema through its migrations, or refuses it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

import sqlalchemy as sa
from pydantic import ValidationError

from data.contracts.base import Contract, canonical_json, sha256_of
from data.contracts.errors import ConflictError, RecordNotFoundError
from flows.runtime.ledger import schemas
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.runs import find
from flows.runtime.ledger.tables import blobs, runs

Pin = TypeVar("Pin", bound=Contract)


@lru_cache(maxsize=16)
def digest_of(document: Contract) -> str:
    """The digest that a run pins. Most runs of a process pin the same document."""
    return sha256_of(document)


def migrate(contract: type[Pin], body: bytes) -> Pin:
    """A pinned document of any known schema, as today's contract.

    Raises ConflictError with both versions and the way out, a fork from the start.
    """
    document = json.loads(body)
    try:
        return contract.model_validate_json(json.dumps(schemas.migrate(contract, document)))
    except schemas.NoMigrationError as error:
        why = str(error)
    except ValidationError as error:
        why = ", ".join("/".join(map(str, found["loc"])) for found in error.errors())
    raise ConflictError(
        f"what the run decides by cannot be read any more (run: schema "
        f"{schemas.version_of(document)}, desk: schema {schemas.schema_of(contract)}): {why}; "
        "fork from 'start', by what is in force now"
    )


def pin(
    connection: sa.Connection,
    run_id: str,
    workflow_version: str,
    document: Contract,
    chosen: str | None = None,
    named: Mapping[str, str] | None = None,
) -> bytes | None:
    """Fix what a run decides by, when it is first executed; later, tell what it was then.

    That is `document`, unless another one was `chosen` by its digest. None when the run decides
    by `document`, otherwise the JSON of the one that it does decide by. `named` says where it came
    from, a bundle or a canary, and is kept with the digest.
    """
    digest = digest_of(document)
    versions = {"pinned": chosen or digest, **(named or {})}
    first = connection.execute(
        runs.update()
        .where(runs.c.run_id == run_id, runs.c.workflow_version == "")
        .values(workflow_version=workflow_version, versions=versions)
    )
    decides_by = find(connection, run_id).versions["pinned"]
    if decides_by != digest:
        return pinned_body(connection, decides_by)
    if first.rowcount:
        keep_pinned(connection, document)
    return None


def keep_pinned(connection: sa.Connection, document: Contract) -> str:
    """Store what runs may decide by, once; returns its digest."""
    digest = digest_of(document)
    body = zlib.compress(canonical_json(document))
    insert_or_ignore(
        connection, blobs, {"path": f"pins/{digest}", "body": body, "written_at": now()}
    )
    return digest


def pinned_body(connection: sa.Connection, digest: str) -> bytes:
    """The JSON of a pinned document. Raises RecordNotFoundError."""
    kept: bytes | None = connection.execute(
        sa.select(blobs.c.body).where(blobs.c.path == f"pins/{digest}")
    ).scalar_one_or_none()
    if kept is None:
        raise RecordNotFoundError(f"nothing was pinned under {digest}")
    return zlib.decompress(kept)
