"""The case that a run works on: the application, its documents, and what a fork changes.

The run builds a `ReviewCase` from its own state. The service that takes an answer builds the same
`ReviewCase` from the ledger. Both judge the answer by it and come to the same verdict, even when
the desk was deployed or configured again in between.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.documents import Document
from data.contracts.errors import ContractViolationError
from data.contracts.runs import RunOptions
from data.contracts.underwriting import Evidence, Intake, Rulebook, Underwriting
from flows.rulebook import rulebook_of
from flows.runtime.ledger import applications
from flows.runtime.ledger.applications import Filed
from flows.runtime.ledger.runs import Run


def case_on_file(filed: Filed) -> CaseFile:
    """The application with every document that the vault holds for it."""
    case = CaseFile.model_validate_json(filed.body)
    for document in filed.documents:
        case = case.with_document(Document.model_validate_json(document))
    return case


def as_read(case: CaseFile, intake: Intake) -> CaseFile:
    """The case with only those documents that intake has read.

    The decision rests on these. The vault takes documents at any time, so a later execution of
    the same run may find more of them.
    """
    read = {reading.document_id for reading in intake.finding.readings}
    documents = tuple(document for document in case.documents if document.document_id in read)
    return case.model_copy(update={"documents": documents})


def document_sha256(filed: bytes) -> str:
    """The digest of a document, computed from the content that the vault holds."""
    document = Document.model_validate_json(filed)
    return hashlib.sha256(base64.b64decode(document.content_base64)).hexdigest()


def case_in_run(
    application: Filed | Contract, options: RunOptions, overrides: dict[str, Any]
) -> CaseFile:
    """The application as one run decides it: on the run's date, with a fork's overrides."""
    case = case_on_file(application) if isinstance(application, Filed) else application
    assert isinstance(case, CaseFile)
    as_of = {"as_of_date": options.as_of_date} if options.as_of_date else {}
    return with_overrides(case, as_of | overrides)


def with_overrides(case: CaseFile, overrides: dict[str, Any]) -> CaseFile:
    """The case with the inputs that a fork changes. Raises ContractViolationError."""
    inputs = {"amount_requested", "term_months", "as_of_date"} & overrides.keys()
    if not inputs:
        return case
    changed = case.model_dump()
    changed["application"] |= {name: overrides[name] for name in inputs}
    try:
        return CaseFile.model_validate(changed)
    except ValidationError as error:
        raise ContractViolationError.of("overrides", error) from None


def overrides_of(run: Run) -> dict[str, Any]:
    """The inputs that a fork changes. Empty for a run that is not a fork."""
    changed: dict[str, Any] = run.lineage["overrides"] if run.lineage else {}
    return changed


@dataclass(frozen=True)
class ReviewCase:
    """A case, the evidence about it, and the rulebook that the run has pinned."""

    case: CaseFile
    evidence: Evidence
    rulebook: Rulebook


def review_case(connection: sa.Connection, run: Run) -> ReviewCase:
    """The review case of a waiting run, from the ledger. Raises RecordNotFoundError."""
    return ReviewCase(
        case=case_in_run(
            applications.filed(connection, run.application_id),
            RunOptions.model_validate(run.options),
            overrides_of(run),
        ),
        evidence=Underwriting.model_validate(run.state).evidence,
        rulebook=rulebook_of(connection, run.versions["pinned"]),
    )
