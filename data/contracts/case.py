"""One case: the application with its documents and reports. The agents' questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from data.contracts.application import ApplicantRole, Application
from data.contracts.base import Contract, Money, SchemaVersion, Slug, sha256_of
from data.contracts.bureau import BureauReport
from data.contracts.decision import Grade, Outcome
from data.contracts.documents import Document
from data.contracts.fraud import FraudSignals
from data.contracts.personal import PersonalRecord
from data.contracts.policy import ReasonCode, Recommendation


class CaseFile(PersonalRecord):
    """An application, its documents, and the reports of outside services."""

    schema_version: SchemaVersion = 1
    application: Application
    documents: Annotated[tuple[Document, ...], Field(max_length=50)] = ()
    bureau_report: BureauReport | None = None
    co_bureau_report: BureauReport | None = None
    """The co-applicant's report."""
    fraud_signals: FraudSignals | None = None

    @model_validator(mode="after")
    def _documents_and_reports_belong_to_applicants(self) -> Self:
        ids = [document.document_id for document in self.documents]
        if len(set(ids)) != len(ids):
            raise PydanticCustomError("duplicate_document", "two documents share a document_id")
        roles = {applicant.role for applicant in self.application.applicants}
        if any(document.applicant not in roles for document in self.documents):
            raise PydanticCustomError(
                "document_of_nobody", "a document names an applicant who did not apply"
            )
        if self.co_bureau_report is not None and ApplicantRole.CO not in roles:
            raise PydanticCustomError(
                "report_of_nobody", "co_bureau_report is given without a co-applicant"
            )
        return self

    @model_validator(mode="after")
    def _consent_came_before_the_pull(self) -> Self:
        consent = self.application.consent
        pulled = consent.credit_pull_at if consent else None
        given = self.application.day_of(pulled) if pulled else None
        for report in (self.bureau_report, self.co_bureau_report):
            if report is not None and (given is None or given > report.report_date):
                raise PydanticCustomError(
                    "consent_missing", "consent.credit_pull_at lies after the bureau's report_date"
                )
        return self

    @property
    def reports(self) -> Iterator[tuple[ApplicantRole, BureauReport]]:
        """The bureau's reports by applicant, the primary applicant's first."""
        if self.bureau_report is not None:
            yield ApplicantRole.PRIMARY, self.bureau_report
        if self.co_bureau_report is not None:
            yield ApplicantRole.CO, self.co_bureau_report

    def inputs_sha256(self) -> str:
        """The digest of the whole case file except the application id.

        A copy of a case under another id has the same digest.
        """
        inputs = self.model_dump(mode="json", include=set(CaseFile.model_fields))
        del inputs["application"]["application_id"]
        return sha256_of(inputs)

    def renamed(self, application_id: str) -> CaseFile:
        """An equal copy under another id. Raises ValidationError when the id is not a slug."""
        content = self.model_dump(include=set(CaseFile.model_fields))
        content["application"]["application_id"] = application_id
        return CaseFile.model_validate(content)

    def with_document(self, document: Document) -> CaseFile:
        """A copy with one more document."""
        content = self.model_dump(include=set(CaseFile.model_fields))
        content["documents"] = (*content["documents"], document.model_dump())
        return CaseFile.model_validate(content)


class PersonaCard(Contract):
    """The invented applicant of a synthetic case, and the branch of the workflow that it shows."""

    name: str
    branch: str


class Expected(Contract):
    """The expected results before a reviewer has answered.

    Where the desk asks for documents, these are the results after `later_documents` arrived.
    """

    recommendation: Recommendation | None
    """None when the case stops before the policy runs."""
    outcome: Outcome | None = None
    """None when a reviewer has to decide first."""
    grade: Grade | None = None
    gates: tuple[str, ...] = ()
    """The gates that open, in order."""
    reasons: tuple[ReasonCode, ...] = ()
    """Codes that must be among the principal reasons."""
    refer_reasons: tuple[ReasonCode, ...] = ()
    """Reason codes of refer rules that must hit."""
    offer_amount: Money | None = None
    """The amount of the offer, or of the best counter-offer."""
    agent_codes: tuple[Slug, ...] = ()
    """Codes that must appear in the agents' signals, readings, warnings or verdicts."""


class Persona(CaseFile):
    """A synthetic case file together with its expected results."""

    persona: PersonaCard
    expected: Expected
    later_documents: tuple[Document, ...] = ()
    """The documents that the applicant sends when the `documents` gate asks."""

    @property
    def case(self) -> CaseFile:
        """The case file alone, as it would be submitted."""
        return CaseFile.model_validate(self.model_dump(include=set(CaseFile.model_fields)))
