"""Filing a document: what an applicant hands in after the application."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from pydantic import ValidationError

from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.documents import Document, DocumentRef
from data.contracts.errors import ConflictError, ContractViolationError, TooLargeError
from data.settings import Settings
from flows.case import case_on_file
from flows.runtime.ledger import applications
from flows.runtime.ledger.database import Ledger
from flows.service.requests import Caller, FiledDocument, FileDocument
from tools.personal_data_filter import require_no_personal_data


async def file_document(
    ledger: Ledger, settings: Settings, application_id: str, request: FileDocument, caller: Caller
) -> tuple[FiledDocument, bool]:
    """Add a document to an application's file; False when the same one is there already.

    Raises RecordNotFoundError for an unknown application, ConflictError when another document has
    that id or the file is full, TooLargeError when its documents would take too many bytes, and
    ContractViolationError, also for an id that repeats personal data.
    """
    filed = await ledger.read(applications.filed, application_id)
    case = await asyncio.to_thread(case_on_file, filed)
    # Reading the file may take seconds. It is done on a thread and outside of any transaction:
    # on SQLite all other writers would wait for it.
    document, is_new = await asyncio.to_thread(_checked, case, request, settings.max_documents)
    if is_new:
        content, by = canonical_json(document), caller.name or caller.channel.value
        came_with = len(case.documents) - len(filed.documents)

        def enter(connection: sa.Connection) -> bool:
            # Since this file was read, others may have filed documents or erased it.
            applications.lock_file(connection, application_id)
            count, size = applications.size_of_file(connection, application_id)
            _require_place(came_with + count, settings.max_documents)
            _require_bytes(size + len(content), settings.max_document_bytes)
            return applications.file_document(
                connection, application_id, document.document_id, content, by
            )

        is_new = await ledger.write(enter)
    reference = document.model_dump(include=set(DocumentRef.model_fields))
    return FiledDocument(application_id=application_id, **reference), is_new


def _checked(case: CaseFile, request: FileDocument, max_documents: int) -> tuple[Document, bool]:
    """The document, held to its contract and to the case; False when the case has it."""
    document = request.document(case.application.as_of_date)
    known = {filed.document_id: filed for filed in case.documents}
    if twin := known.get(document.document_id):
        if twin.model_copy(update={"received_at": document.received_at}) != document:
            raise ConflictError("another document is filed under that document_id")
        return twin, False
    _require_place(len(case.documents), max_documents)
    try:
        case = case.with_document(document)
    except ValidationError as error:
        raise ContractViolationError.of("document", error) from None
    require_no_personal_data(case, {"/document_id": document.document_id})
    return document, True


def _require_place(count: int, most: int) -> None:
    if count >= most:
        raise ConflictError(f"the file has {count} documents, and takes {most} at most")


def _require_bytes(together: int, most: int) -> None:
    if together > most:
        raise TooLargeError(
            f"the later documents of an application may take {most:,} bytes; with this one they"
            f" would take {together:,}"
        )
