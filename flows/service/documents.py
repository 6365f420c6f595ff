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
    # Reading the file may take seconds. It is done on a thread and outside of any transaction:
    # on SQLite all other writers would wait for it.
    document, is_new = await asyncio.to_thread(_checked, case_on_file(filed), request)
    if is_new:
        content, by = canonical_json(document), caller.name or caller.channel.value

        def enter(connection: sa.Connection) -> bool:
            _require_room(connection, settings, application_id, len(content))
            return applications.file_document(
                connection, application_id, document.document_id, content, by
            )

        is_new = await ledger.write(enter)
    reference = document.model_dump(include=set(DocumentRef.model_fields))
    return FiledDocument(application_id=application_id, **reference), is_new


def _checked(case: CaseFile, request: FileDocument) -> tuple[Document, bool]:
    """The document, held to its contract and to the case; False when the case has it."""
    document = request.document(case.application.as_of_date)
    known = {filed.document_id: filed for filed in case.documents}
    if twin := known.get(document.document_id):
        if twin.model_copy(update={"received_at": document.received_at}) != document:
            raise ConflictError("another document is filed under that document_id")
        return twin, False
    try:
        case = case.with_document(document)
    except ValidationError as error:
        raise ContractViolationError.of("document", error) from None
    require_no_personal_data(case, {"/document_id": document.document_id})
    return document, True


def _require_room(
    connection: sa.Connection, settings: Settings, application_id: str, size: int
) -> None:
    count, size_so_far = applications.size_of_file(connection, application_id)
    if count >= settings.max_documents:
        raise ConflictError(
            f"the file has {count} later documents, and takes {settings.max_documents} at most"
        )
    if size_so_far + size > settings.max_document_bytes:
        raise TooLargeError(
            f"the later documents of an application may take {settings.max_document_bytes:,} bytes;"
            f" with this one they would take {size_so_far + size:,}"
        )
