"""Notes on a case: written by people for the people who rule on it."""

from __future__ import annotations

import sqlalchemy as sa

from data.contracts.events import Event, EventType
from data.contracts.review import Note, Person
from flows.case import case_on_file
from flows.runtime.ledger import applications, journal, notes, runs
from flows.service.requests import Caller, NoteRequest
from tools.personal_data_filter import require_no_personal_data


def write(
    connection: sa.Connection,
    run_id: str,
    request: NoteRequest,
    caller: Caller,
    idempotency_key: str | None = None,
) -> tuple[Note, list[Event]]:
    """Keep a note, and tell those who follow the run. Its text is in no event.

    The journal of a run that has ended is closed: the note is kept, and seen when the case is read
    again. Raises RecordNotFoundError, RecordErasedError, ConflictError for an idempotency key of
    another note, and ContractViolationError for a text or a name that repeats personal data of the
    case.
    """
    run = runs.find(connection, run_id, lock=True)
    case = case_on_file(applications.filed(connection, run.application_id))
    typed = {"/text": request.text}
    if not caller.proven:
        typed["/reviewer"] = request.reviewer
    require_no_personal_data(case, typed)
    by = caller.person if caller.proven else Person(name=request.reviewer)
    note, is_new = notes.add(connection, run, by, request.text, idempotency_key)
    if not is_new or run.status.has_ended:
        return note, []
    key, meta = f"note.added/{note.note_id}", {"by": note.author, "note_id": note.note_id}
    said = f"Note by {note.author}"
    draft = journal.draft_event(run, key, EventType.NOTE_ADDED, said, meta, here=True)
    return note, journal.append(connection, run_id, [draft])
