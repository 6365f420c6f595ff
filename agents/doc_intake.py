"""Document intake: has every applicant sent the required documents, and can the desk read them?"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from agents.base import Agent, ChatTool
from data.contracts.application import Applicant, Application, EmploymentStatus
from data.contracts.case import CaseFile
from data.contracts.documents import (
    IDENTITY_KINDS,
    Document,
    DocumentContent,
    DocumentKind,
    IdentityDocument,
)
from data.contracts.findings import (
    ChecklistItem,
    Completeness,
    DocIntakeFinding,
    DocumentReading,
    FindingStatus,
    Presence,
)
from data.contracts.policy import Stipulation
from tools.documents import (
    DocumentUnusableError,
    inconsistencies,
    read_document,
    readable_documents,
    staleness,
)
from tools.other_income import stated_beside_wages
from tools.postal import postal_code_fits_state

_EARNED = (DocumentKind.PAYSTUB, DocumentKind.W2, DocumentKind.TAX_RETURN)
_OWN_BUSINESS = (DocumentKind.TAX_RETURN, DocumentKind.BANK_STATEMENT)
_PAID_OUT = (
    DocumentKind.BENEFITS_LETTER,
    DocumentKind.BANK_STATEMENT,
    DocumentKind.TAX_RETURN,
)
_INCOME_KINDS = {
    EmploymentStatus.EMPLOYED: _EARNED,
    EmploymentStatus.SELF_EMPLOYED: _OWN_BUSINESS,
    EmploymentStatus.RETIRED: _PAID_OUT,
    EmploymentStatus.BENEFITS: _PAID_OUT,
    EmploymentStatus.STUDENT: (*_EARNED, *_PAID_OUT),
    EmploymentStatus.UNEMPLOYED: _PAID_OUT,
}
_STATEMENT_ABOVE = Decimal("25000.00")
"""A larger loan also requires a bank statement."""

_UNFIT = (Presence.UNUSABLE, Presence.EXPIRED, Presence.STALE)
"""What to report when no document can be used, the most useful information first."""


class _Reading(NamedTuple):
    document: Document
    presence: Presence
    problem: str | None


class DocIntakeAgent(Agent[CaseFile, DocIntakeFinding]):
    """Checks the documents against the list for the product and the applicants' kinds of income."""

    name = "doc_intake"

    async def answer(self, question: CaseFile) -> DocIntakeFinding:
        application = question.application
        readings = [_read(document, application) for document in question.documents]
        checklist = tuple(
            _item(applicant, purpose, kinds, readings)
            for applicant in question.application.applicants
            for purpose, kinds in _demands(question.application, applicant)
        )
        completeness = _completeness(checklist)
        return DocIntakeFinding(
            agent=self.label,
            agent_version=self.version,
            status=(
                FindingStatus.OK
                if completeness is Completeness.COMPLETE
                else FindingStatus.DEGRADED
            ),
            evidence=tuple(
                reading.document.document_id
                for reading in readings
                if reading.presence is Presence.PRESENT
            ),
            warnings=tuple(
                f"{reading.document.document_id}:{reading.problem}"
                for reading in readings
                if reading.problem
            ),
            completeness=completeness,
            checklist=checklist,
            readings=tuple(
                DocumentReading(
                    document_id=reading.document.document_id,
                    kind=reading.document.kind,
                    problem=reading.problem,
                )
                for reading in readings
            ),
            stipulations=_stipulations(question.application),
        )

    def chat_tools(self, question: CaseFile) -> Mapping[str, ChatTool]:
        def read_documents() -> tuple[DocumentContent, ...]:
            kinds = tuple(DocumentKind)
            return tuple(
                content
                for applicant in question.application.applicants
                for _, content in readable_documents(question, applicant.role, *kinds)
            )

        return {"read_documents": read_documents}


def _read(document: Document, application: Application) -> _Reading:
    try:
        content = read_document(document)
    except DocumentUnusableError as error:
        return _Reading(document, Presence.UNUSABLE, error.problem)
    problem = staleness(document, content, application)
    if problem is not None:
        unfit = Presence.STALE if problem == "document_stale" else Presence.UNUSABLE
        return _Reading(document, unfit, problem)
    if isinstance(content, IdentityDocument) and content.expiry_date < application.as_of_date:
        return _Reading(document, Presence.EXPIRED, "document_expired")
    doubts = inconsistencies(content)
    # A document that contradicts itself is present. The fraud and income agents judge it.
    return _Reading(document, Presence.PRESENT, doubts[0] if doubts else None)


def _demands(
    application: Application, applicant: Applicant
) -> list[tuple[str, tuple[DocumentKind, ...]]]:
    """What this applicant has to prove, each with any one of the kinds of document."""
    demands = [("identity", tuple(sorted(IDENTITY_KINDS)))]
    if applicant.stated_monthly_income > 0:
        kinds = _INCOME_KINDS[applicant.employment.status]
        if applicant.employment.gross_monthly_stated == 0:
            kinds = _PAID_OUT
        demands.append(("income", kinds))
    if applicant.employment.gross_monthly_stated > 0 and stated_beside_wages(
        applicant, application.term_months
    ):
        demands.append(("other_income", _PAID_OUT))
    if applicant is application.primary and application.amount_requested > _STATEMENT_ABOVE:
        demands.append(("bank_account", (DocumentKind.BANK_STATEMENT,)))
    return demands


def _item(
    applicant: Applicant, purpose: str, kinds: tuple[DocumentKind, ...], readings: list[_Reading]
) -> ChecklistItem:
    fitting = [
        reading
        for reading in readings
        if reading.document.applicant is applicant.role and reading.document.kind in kinds
    ]
    found = {reading.presence for reading in fitting}
    if Presence.PRESENT in found:
        presence = Presence.PRESENT
    else:
        presence = next((state for state in _UNFIT if state in found), Presence.MISSING)
    return ChecklistItem(
        applicant=applicant.role,
        purpose=purpose,
        kinds=kinds,
        required=True,
        presence=presence,
        document_ids=tuple(
            reading.document.document_id for reading in fitting if reading.presence is presence
        ),
    )


def _completeness(checklist: tuple[ChecklistItem, ...]) -> Completeness:
    states = {item.presence for item in checklist if item.required}
    if Presence.UNUSABLE in states:
        return Completeness.UNUSABLE
    return Completeness.COMPLETE if states <= {Presence.PRESENT} else Completeness.INCOMPLETE


def _stipulations(application: Application) -> tuple[Stipulation, ...]:
    as_of = application.as_of_date
    homes = [applicant.residence_on(as_of) for applicant in application.applicants]
    asked: list[Stipulation] = []
    if not all(applicant.street_address_on(as_of) for applicant in application.applicants):
        asked.append(
            Stipulation(
                code="street_address_required",
                text="Name the street address where you live; a post office box is not enough.",
            )
        )
    if any(not postal_code_fits_state(address) for address in homes):
        asked.append(
            Stipulation(
                code="confirm_postal_code", text="Confirm the ZIP code; it is not of the state."
            )
        )
    if application.state not in {None, application.residence_state}:
        asked.append(
            Stipulation(
                code="confirm_state_of_residence",
                text="Confirm the state of residence; the address names another one.",
            )
        )
    return tuple(asked)
