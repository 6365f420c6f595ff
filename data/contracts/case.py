"""One case with everything that was handed in: the question that the agents answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from data.contracts.application import ApplicantRole, Application
from data.contracts.base import Contract, Money, Slug, sha256_of
from data.contracts.bureau import BureauReport
from data.contracts.decision import Grade, Outcome
from data.contracts.documents import Document
from data.contracts.fraud import FraudSignals
from data.contracts.personal import PersonalRecord
from data.contracts.policy import ReasonCode, Recommendation


class CaseFile(PersonalRecord):
    """The bundle: an application, its papers and what outside services said about it."""

    schema_version: Literal[1] = 1
    application: Application
    documents: Annotated[tuple[Document, ...], Field(max_length=50)] = ()
    bureau_report: BureauReport | None = None
    co_bureau_report: BureauReport | None = None
    """The co-applicant's report."""
    fraud_signals: FraudSignals | None = None

    @model_validator(mode="after")
    def _papers_belong_together(self) -> Self:
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
        given = consent.credit_pull_at.date() if consent and consent.credit_pull_at else None
        for report in (self.bureau_report, self.co_bureau_report):
            if report is not None and (given is None or given > report.report_date):
                raise PydanticCustomError(
                    "consent_missing", "consent.credit_pull_at lies after the bureau's report_date"
                )
        return self

    @property
    def reports(self) -> Iterator[tuple[ApplicantRole, BureauReport]]:
        """The bureau's reports with whose they are, the primary applicant's first."""
        if self.bureau_report is not None:
            yield ApplicantRole.PRIMARY, self.bureau_report
        if self.co_bureau_report is not None:
            yield ApplicantRole.CO, self.co_bureau_report

    def inputs_sha256(self) -> str:
        """The digest of everything handed in, without the id it was filed under.

        A copy of a case under another id has equal inputs.
        """
        inputs = self.model_dump(mode="json", include=set(CaseFile.model_fields))
        del inputs["application"]["application_id"]
        return sha256_of(inputs)

    def renamed(self, application_id: str) -> CaseFile:
        """A copy under another id, otherwise equal. Raises ValidationError when it is no slug."""
        content = self.model_dump(include=set(CaseFile.model_fields))
        content["application"]["application_id"] = application_id
        return CaseFile.model_validate(content)

    def with_document(self, document: Document) -> CaseFile:
        """A copy with one more paper."""
        content = self.model_dump(include=set(CaseFile.model_fields))
        content["documents"] = (*content["documents"], document.model_dump())
        return CaseFile.model_validate(content)


class PersonaCard(Contract):
    """Whom a synthetic case invents, and which branch it is there to show."""

    name: str
    branch: str


class Expected(Contract):
    """What must come out, before any person but the applicant has spoken.

    Where papers are asked for, it is what comes out once `later_documents` have arrived.
    """

    recommendation: Recommendation | None
    """None when the case stops before the policy is asked."""
    outcome: Outcome | None = None
    """None when a person has to decide first."""
    grade: Grade | None = None
    gates: tuple[str, ...] = ()
    """The gates that open, in order."""
    reasons: tuple[ReasonCode, ...] = ()
    """Reasons that must be among the principal ones."""
    refer_reasons: tuple[ReasonCode, ...] = ()
    """Reasons of refer rules that must be among those that hit."""
    offer_amount: Money | None = None
    """Of the offer, or of the best counter-offer."""
    agent_codes: tuple[Slug, ...] = ()
    """Codes that must appear among the agents' signals, readings, warnings or verdicts."""


class Persona(CaseFile):
    """A synthetic case file together with what must come out of it."""

    persona: PersonaCard
    expected: Expected
    later_documents: tuple[Document, ...] = ()
    """What the applicant hands in when asked at the `documents` gate."""

    @property
    def case(self) -> CaseFile:
        """The case alone, as it would be handed in."""
        return CaseFile.model_validate(self.model_dump(include=set(CaseFile.model_fields)))
