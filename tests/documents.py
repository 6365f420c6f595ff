"""Documents that applicants send later, filed as intake files them."""

from __future__ import annotations

from typing import Any

from data.contracts.case import Persona
from data.contracts.documents import Document
from tests.desk import StartedRun


def as_posted(document: Document) -> dict[str, Any]:
    """The body of the request that files a document."""
    return {**document.model_dump(mode="json"), "content_base64": document.content_base64}


async def file_later_documents(run: StartedRun, persona: Persona) -> list[str]:
    """File the documents that a persona sends when asked; returns their ids."""
    for document in persona.later_documents:
        answer = await run.desk.http.post(
            f"/applications/{run.application_id}/documents", json=as_posted(document)
        )
        assert answer.status_code == 201, answer.text
    return [document.document_id for document in persona.later_documents]
