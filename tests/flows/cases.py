"""Cases that differ from a persona in a few places, and the papers of a persona."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from data.contracts.case import CaseFile
from data.contracts.documents import Document, DocumentKind
from data.synthetic.builder import json_document
from tests.flows.inline import persona
from tools.documents import content_of

APPLICANT = "application__applicants__0__"


def set_at(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same content with other values at paths, written as `application__state`."""
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = content
        for step in parents:
            place = place[int(step)] if step.isdecimal() else place[step]
        place[last] = value
    return content


def changed(name: str, **changes: Any) -> CaseFile:
    """The case of a persona with other values at paths, written as `application__state`."""
    return CaseFile.model_validate(set_at(persona(name).case.model_dump(mode="json"), **changes))


def paper(kind: DocumentKind, name: str = "ada-prime", **differs: Any) -> Document:
    """A persona's paper of a kind; `differs` are fields of what is written on it."""
    filed = next(found for found in persona(name).case.documents if found.kind is kind)
    content = content_of(filed).model_copy(update=differs)
    return json_document(filed.document_id, kind, content, filed.applicant)


def with_papers(case: CaseFile, *papers: Document) -> CaseFile:
    """The case with these papers in place of those of their ids, or beside the others."""
    given = {found.document_id: found for found in papers}
    kept = tuple(given.pop(found.document_id, found) for found in case.documents)
    return CaseFile.model_validate(
        case.model_dump()
        | {"documents": [found.model_dump() for found in (*kept, *given.values())]}
    )


def without(case: CaseFile, kind: DocumentKind) -> CaseFile:
    """The case without its papers of a kind."""
    kept = tuple(found for found in case.documents if found.kind is not kind)
    return case.model_copy(update={"documents": kept})


def of_bytes(body: bytes, kind: DocumentKind, **differs: Any) -> Document:
    """Ada's paper of a kind, with these bytes in place of its own."""
    filed = paper(kind).model_dump() | {
        "content_base64": base64.b64encode(body).decode(),
        "sha256": hashlib.sha256(body).hexdigest(),
        "size_bytes": len(body),
    }
    return Document.model_validate(filed | differs)
