"""The documents of one applicant that count as proof of income, and why others do not.

The same paper twice counts once, and the order of the papers does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.contracts.application import Applicant
from data.contracts.case import CaseFile
from data.contracts.documents import (
    AnnualIncomeProof,
    BankStatement,
    BenefitsLetter,
    Document,
    DocumentContent,
    DocumentKind,
    Paystub,
)
from tools.documents import inconsistencies, readable_documents, staleness
from tools.names import same_person_by_name

OF_OTHER_PERSON = "of_other_person"


@dataclass(frozen=True)
class IncomeDocuments:
    """The documents of one applicant that the desk accepts, by kind."""

    paystubs: tuple[Paystub, ...]
    statements: tuple[BankStatement, ...]
    wage_statements: tuple[AnnualIncomeProof, ...]
    tax_returns: tuple[AnnualIncomeProof, ...]
    letters: tuple[BenefitsLetter, ...]
    evidence: tuple[str, ...]
    warnings: tuple[str, ...]
    """`<document id>:<code>` for each document that does not count."""
    of_others: bool
    """Whether a document names another person than the applicants that it can belong to."""

    @classmethod
    def of(cls, case: CaseFile, applicant: Applicant) -> IncomeDocuments:
        """Sort the applicant's readable documents into accepted and doubtful ones."""
        kept: list[tuple[Document, DocumentContent]] = []
        warnings: list[str] = []
        of_others = False
        for document, content in readable_documents(
            case,
            applicant.role,
            DocumentKind.PAYSTUB,
            DocumentKind.BANK_STATEMENT,
            DocumentKind.W2,
            DocumentKind.TAX_RETURN,
            DocumentKind.BENEFITS_LETTER,
        ):
            doubts = _doubts(document, content, case)
            of_others = of_others or OF_OTHER_PERSON in doubts
            warnings += [f"{document.document_id}:{code}" for code in doubts]
            if not doubts:
                kept.append((document, content))
        return cls._sorted(kept, tuple(sorted(warnings)), of_others=of_others)

    @classmethod
    def _sorted(
        cls,
        kept: Sequence[tuple[Document, DocumentContent]],
        warnings: tuple[str, ...],
        *,
        of_others: bool,
    ) -> IncomeDocuments:
        contents = [content for _, content in kept]
        annual = [
            (document.kind, content)
            for document, content in kept
            if isinstance(content, AnnualIncomeProof)
        ]
        return cls(
            paystubs=tuple(found for found in contents if isinstance(found, Paystub)),
            statements=tuple(found for found in contents if isinstance(found, BankStatement)),
            wage_statements=tuple(found for kind, found in annual if kind is DocumentKind.W2),
            tax_returns=tuple(found for kind, found in annual if kind is DocumentKind.TAX_RETURN),
            letters=tuple(found for found in contents if isinstance(found, BenefitsLetter)),
            evidence=tuple(sorted(document.document_id for document, _ in kept)),
            warnings=warnings,
            of_others=of_others,
        )


def _doubts(document: Document, content: DocumentContent, case: CaseFile) -> tuple[str, ...]:
    found = list(inconsistencies(content))
    stale = staleness(document, content, case.application)
    # A stale bank statement still counts, because it shows how regularly pay arrives.
    if stale is not None and not (isinstance(content, BankStatement) and stale == "document_stale"):
        found.append(stale)
    if not _is_theirs(document, content, case):
        found.append(OF_OTHER_PERSON)
    return tuple(found)


def _is_theirs(document: Document, content: DocumentContent, case: CaseFile) -> bool:
    """Whether a document belongs to its applicant. An account may belong to the co-applicant."""
    applicants = case.application.applicants
    own = [person.full_name for person in applicants if person.role is document.applicant]
    match content:
        case Paystub():
            return any(same_person_by_name(name, content.employee_name) for name in own)
        case BankStatement():
            return any(
                same_person_by_name(person.full_name, content.holder_name) for person in applicants
            )
        case AnnualIncomeProof() | BenefitsLetter():
            return any(same_person_by_name(name, content.recipient_name) for name in own)
        case _:
            return True
