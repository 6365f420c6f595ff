"""Notes that people write on a case: added, never changed, and erased with the application."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID, uuid4, uuid5

import sqlalchemy as sa

from data.contracts.errors import ConflictError
from data.contracts.review import Note, Person
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.runs import RunRef
from flows.runtime.ledger.tables import notes

_NAMESPACE = UUID("5a0a36f4-0f0e-4c9e-8c53-5a1c0b2f7d64")
_MOST = 200


def add(
    connection: sa.Connection, run: RunRef, by: Person, text: str, key: str | None = None
) -> tuple[Note, bool]:
    """Write a note on a run's case; True when this call wrote it.

    The same idempotency `key` of the same person again is the same note. Raises ConflictError when
    the key was used for another text.
    """
    name = f"{run.run_id}:{by.principal or by.name}:{key}"
    note_id = str(uuid5(_NAMESPACE, name) if key else uuid4())
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    is_new = insert_or_ignore(
        connection,
        notes,
        {
            "note_id": note_id,
            "application_id": run.application_id,
            "run_id": run.run_id,
            "author": by.name,
            "author_principal": by.principal,
            "text": text,
            "sha256": sha256,
            "written_at": now(),
        },
    )
    row = connection.execute(sa.select(notes).where(notes.c.note_id == note_id)).one()
    if row.sha256 != sha256:
        raise ConflictError("this idempotency key was used for another note")
    return _note(row), is_new


def of_application(connection: sa.Connection, application_id: str) -> list[Note]:
    """The notes on all runs of an application, the newest first."""
    query = sa.select(notes).where(notes.c.application_id == application_id)
    query = query.order_by(notes.c.written_at.desc(), notes.c.note_id).limit(_MOST)
    return [_note(row) for row in connection.execute(query)]


def record_of(connection: sa.Connection, run_id: str) -> list[dict[str, Any]]:
    """The notes on one run for the record, oldest first. The digest of an erased one stays."""
    query = sa.select(notes).where(notes.c.run_id == run_id)
    query = query.order_by(notes.c.written_at, notes.c.note_id)
    return [dict(row._mapping) for row in connection.execute(query)]


def erase(connection: sa.Connection, application_id: str) -> None:
    """Erase the texts of an application's notes; who wrote when, and the digests, stay."""
    of_application = notes.c.application_id == application_id
    connection.execute(notes.update().where(of_application).values(text=""))


def _note(row: sa.Row[Any]) -> Note:
    return Note(
        note_id=row.note_id,
        run_id=row.run_id,
        author=row.author,
        text=row.text,
        written_at=row.written_at,
    )
