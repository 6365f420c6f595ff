"""A case as it lies on the desk now: as it was accepted, with every paper that came later."""

from __future__ import annotations

import base64
import hashlib

from data.contracts.case import CaseFile
from data.contracts.documents import Document
from data.contracts.underwriting import Intake
from flows.runtime.runs import Filed


def case_on_file(filed: Filed) -> CaseFile:
    """Put together what the vault holds under one application's id."""
    case = CaseFile.model_validate_json(filed.body)
    for paper in filed.papers:
        case = case.with_document(Document.model_validate_json(paper))
    return case


def as_read(case: CaseFile, intake: Intake) -> CaseFile:
    """The case without what was filed after intake had read it: nobody has looked at that.

    The vault takes papers at any time. An execution that begins anew would find more there than
    the one before it, and the decision rests on what was read.
    """
    read = {reading.document_id for reading in intake.finding.readings}
    papers = tuple(paper for paper in case.documents if paper.document_id in read)
    return case.model_copy(update={"documents": papers})


def paper_sha256(filed: bytes) -> str:
    """The digest of a paper itself, computed anew, out of what the vault holds about it."""
    paper = Document.model_validate_json(filed)
    return hashlib.sha256(base64.b64decode(paper.content_base64)).hexdigest()
