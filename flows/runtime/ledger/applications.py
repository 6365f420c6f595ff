"""The vault: applications as they were accepted, and the documents that came later."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import ConflictError, RecordErasedError, RecordNotFoundError
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.tables import applications, documents, runs


def accept(
    connection: sa.Connection,
    application_id: str,
    content_sha256: str,
    body: bytes,
) -> None:
    """Put an application into the vault, unless the very same one is there already.

    Raises ConflictError when another content is filed under that id.
    """
    insert_or_ignore(
        connection,
        applications,
        {
            "application_id": application_id,
            "content_sha256": content_sha256,
            "body": zlib.compress(body),
            "received_at": now(),
        },
    )
    filed = connection.execute(
        sa.select(applications.c.content_sha256).where(
            applications.c.application_id == application_id
        )
    ).scalar_one()
    if filed != content_sha256:
        raise ConflictError(
            f"another application is filed under {application_id}: submit it under another id"
        )


@dataclass(frozen=True)
class Filed:
    """What the vault holds under an application's id."""

    body: bytes
    documents: tuple[bytes, ...] = ()
    """The documents that came later, in the order in which they came."""


def filed(connection: sa.Connection, application_id: str) -> Filed:
    """The application as it was accepted, and its later documents.

    Raises RecordNotFoundError; RecordErasedError when only its tombstone is left.
    """
    this = applications.c.application_id == application_id
    columns = sa.select(applications.c.body, applications.c.erased_at)
    row = _still_there(connection.execute(columns.where(this)).one_or_none())
    later = connection.execute(
        sa.select(documents.c.body)
        .where(documents.c.application_id == application_id)
        .order_by(documents.c.filed_at, documents.c.document_id)
    ).scalars()
    return Filed(unpacked(row.body), tuple(unpacked(document) for document in later))


def lock_file(connection: sa.Connection, application_id: str) -> None:
    """Let no other transaction add to an application's file or erase it. Raises as `filed` does."""
    this = applications.c.application_id == application_id
    row = sa.select(applications.c.erased_at).where(this).with_for_update()
    _still_there(connection.execute(row).one_or_none())


def _still_there(row: Any) -> Any:
    if row is None:
        raise RecordNotFoundError("there is no application of this id")
    if row.erased_at:
        raise RecordErasedError(f"the personal data of this application was erased {row.erased_at}")
    return row


def unpacked(body: bytes) -> bytes:
    """A body of the vault as it was put in."""
    return zlib.decompress(body)


def file_document(
    connection: sa.Connection, application_id: str, document_id: str, body: bytes, by: str
) -> bool:
    """Add a document to an application's file; False when the very same one is there already.

    Raises ConflictError when another document is filed under that id.
    """
    this = sa.select(documents.c.body).where(
        documents.c.application_id == application_id, documents.c.document_id == document_id
    )
    is_new = insert_or_ignore(
        connection,
        documents,
        {
            "application_id": application_id,
            "document_id": document_id,
            "body": zlib.compress(body),
            "size": len(body),
            "filed_by": by,
            "filed_at": now(),
        },
    )
    if not is_new and unpacked(connection.execute(this).scalar_one()) != body:
        raise ConflictError("another document is filed under that id")
    return is_new


def size_of_file(connection: sa.Connection, application_id: str) -> tuple[int, int]:
    """How many documents came later to an application's file, and how many bytes they take."""
    here = documents.c.application_id == application_id
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(documents.c.size), 0))
    count, size = connection.execute(query.where(here)).one()
    return count, size


def document_ids(connection: sa.Connection, run_id: str) -> set[str]:
    """The ids of the documents that came later for the application that a run is about."""
    later = sa.select(documents.c.document_id).join(
        runs, runs.c.application_id == documents.c.application_id
    )
    return set(connection.execute(later.where(runs.c.run_id == run_id)).scalars())
