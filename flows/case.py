"""What a run has in hand: its application, the papers of the file, what a fork changes.

The run builds a `ReviewCase` from its own state, and the service that takes an answer builds the
same from the ledger. Both judge the answer by it, so both come to the same verdict, whatever has
been deployed or configured meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from data.contracts.case import CaseFile
from data.contracts.documents import Document
from data.contracts.errors import (
    ContractViolationError,
)
from data.contracts.runs import RunOptions
from data.contracts.underwriting import Evidence, Intake, Rulebook, Underwriting
from flows.runtime.ledger import applications, pinned
from flows.runtime.ledger.applications import Filed
from flows.runtime.ledger.runs import Run


def case_on_file(filed: Filed) -> CaseFile:
    """Put together what the vault holds under one application's id."""
    case = CaseFile.model_validate_json(filed.body)
    for paper in filed.documents:
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


def document_sha256(filed: bytes) -> str:
    """The digest of a paper itself, computed anew, out of what the vault holds about it."""
    paper = Document.model_validate_json(filed)
    return hashlib.sha256(base64.b64decode(paper.content_base64)).hexdigest()


def case_in_run(
    filed: applications.Filed, options: RunOptions, overrides: dict[str, Any]
) -> CaseFile:
    """What a run decides: the application on file, as of its day, with what a fork changes."""
    as_of = {"as_of_date": options.as_of_date} if options.as_of_date else {}
    return with_overrides(case_on_file(filed), as_of | overrides)


def with_overrides(case: CaseFile, overrides: dict[str, Any]) -> CaseFile:
    """The case with the inputs that a what-if changes. Raises ContractViolationError."""
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
    """What is different in a run from what was applied for; nothing, unless it is a fork."""
    changed: dict[str, Any] = run.lineage["overrides"] if run.lineage else {}
    return changed


@dataclass(frozen=True)
class ReviewCase:
    """One case, what has been found out about it, and the rulebook that its run has pinned."""

    case: CaseFile
    evidence: Evidence
    rulebook: Rulebook


def review_case(connection: sa.Connection, run: Run) -> ReviewCase:
    """What a run that waits has in hand. Raises RecordNotFoundError."""
    return ReviewCase(
        case=case_in_run(
            applications.filed(connection, run.application_id),
            RunOptions.model_validate(run.options),
            overrides_of(run),
        ),
        evidence=Underwriting.model_validate(run.state).evidence,
        rulebook=pinned.migrate(Rulebook, pinned.pinned_body(connection, run.versions["pinned"])),
    )
