"""Papers that applicants hand in late, filed as intake files them."""

from __future__ import annotations

from typing import Any

from data.contracts.case import Persona
from data.contracts.documents import Document
from tests.desk import StartedRun


def order_of(document: Document) -> dict[str, Any]:
    """A paper as it is posted."""
    return {**document.model_dump(mode="json"), "content_base64": document.content_base64}


async def file_later_papers(run: StartedRun, persona: Persona) -> list[str]:
    """Hand in what a persona hands in when asked; returns the ids."""
    for document in persona.later_documents:
        answer = await run.desk.http.post(
            f"/applications/{run.application_id}/documents", json=order_of(document)
        )
        assert answer.status_code == 201, answer.text
    return [document.document_id for document in persona.later_documents]
