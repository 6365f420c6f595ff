"""Filing a document: what an applicant hands in after the application."""

from __future__ import annotations

import sqlalchemy as sa
from pydantic import ValidationError

from data.contracts.base import canonical_json
from data.contracts.documents import Document, DocumentRef
from data.contracts.errors import ConflictError, ContractViolationError
from flows.case import case_on_file
from flows.runtime.ledger import applications
from flows.runtime.ledger.database import Ledger
from flows.service.requests import Caller, FiledDocument, FileDocument
from tools.personal_data_filter import require_no_personal_data


async def file_document(
    ledger: Ledger, application_id: str, request: FileDocument, caller: Caller
) -> tuple[FiledDocument, bool]:
    """Add a document to an application's file; False when the same one is there already.

    Raises RecordNotFoundError for an unknown application, ConflictError when another document has
    that id, and ContractViolationError, also for an id that repeats personal data.
    """
    document, is_new = await ledger.write(_file, application_id, request, caller)
    reference = document.model_dump(include=set(DocumentRef.model_fields))
    return FiledDocument(application_id=application_id, **reference), is_new


def _file(
    connection: sa.Connection, application_id: str, request: FileDocument, caller: Caller
) -> tuple[Document, bool]:
    case = case_on_file(applications.filed(connection, application_id))
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
    by = caller.name or caller.channel.value
    content = canonical_json(document)
    applications.file_document(connection, application_id, document.document_id, content, by)
    return document, True
