"""KYC: does an identity document prove each applicant's identity, and is an applicant listed?"""

from __future__ import annotations

from typing import Any

from agents.base import Agent
from data.contracts.application import Applicant
from data.contracts.bureau import IDENTITY_ALERTS
from data.contracts.case import CaseFile
from data.contracts.documents import IDENTITY_KINDS, IdentityDocument
from data.contracts.findings import (
    FindingStatus,
    IdentityDocumentStatus,
    IdentityMatch,
    IdentityStatus,
    KycFinding,
)
from tools.documents import readable_documents
from tools.identity import identity_status, match_identity, verify_identity_document
from tools.watchlist import Person, Watchlists, screen_watchlists

_PREFERENCE = tuple(IdentityDocumentStatus)


class KycAgent(Agent[CaseFile, KycFinding]):
    """Checks the documents, compares the identity, and screens the watchlists.

    Raises WatchlistUnavailableError without usable watchlists.
    """

    name = "kyc"

    def __init__(self, lists: Watchlists) -> None:
        self._lists = lists

    async def answer(self, question: CaseFile) -> KycFinding:
        application = question.application
        matches = tuple(_match(question, applicant) for applicant in application.applicants)
        screening = screen_watchlists(
            self._lists,
            tuple(
                Person(applicant.full_name, applicant.dob, role=applicant.role)
                for applicant in application.applicants
            ),
            application.as_of_date,
        )
        status = identity_status(matches)
        alerts = {alert for _, report in question.reports for alert in report.alerts}
        demanding = tuple(sorted(alerts & IDENTITY_ALERTS))
        proven = status is IdentityStatus.VERIFIED
        return KycFinding(
            agent=self.label,
            agent_version=self.version,
            status=FindingStatus.OK if proven else FindingStatus.DEGRADED,
            evidence=tuple(match.document_id for match in matches if match.document_id),
            warnings=() if proven else tuple(f"alert_open:{alert}" for alert in demanding),
            identity_status=status,
            matches=matches,
            watchlist=screening,
            alerts_handled=demanding if proven else (),
        )

    def evidence(self, finding: KycFinding) -> dict[str, Any]:
        """Without the list's entries, which are for compliance alone."""
        return super().evidence(finding.without_candidates())


def _match(case: CaseFile, applicant: Applicant) -> IdentityMatch:
    """Compare an applicant with their best identity document. A renewed one replaces the old."""
    as_of = case.application.as_of_date
    judged = [
        (verify_identity_document(content, as_of, document.kind), document.document_id, content)
        for document, content in readable_documents(case, applicant.role, *IDENTITY_KINDS)
        if isinstance(content, IdentityDocument)
    ]
    on_file = {role: report.subject_ssn_last4 for role, report in case.reports}
    bureau_last4 = on_file.get(applicant.role)
    if not judged:
        sent = any(
            document.applicant is applicant.role and document.kind in IDENTITY_KINDS
            for document in case.documents
        )
        missing = IdentityDocumentStatus.UNSUPPORTED if sent else IdentityDocumentStatus.MISSING
        return match_identity(applicant, None, missing, bureau_ssn_last4=bureau_last4)
    status, document_id, content = min(judged, key=lambda found: _PREFERENCE.index(found[0]))
    return match_identity(applicant, content, status, document_id, bureau_last4)
