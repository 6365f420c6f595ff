"""KYC: does the identity document describe the person who applied, and is nobody on a list?"""

from __future__ import annotations

from pathlib import Path

from agents.base import Agent
from data.contracts.application import Applicant
from data.contracts.bureau import BureauAlert
from data.contracts.case import CaseFile
from data.contracts.documents import IDENTITY_KINDS, IdentityDocument
from data.contracts.findings import (
    FindingStatus,
    IdentityDocumentStatus,
    IdentityMatch,
    IdentityStatus,
    KycFinding,
)
from tools.documents import papers_of
from tools.identity import identity_status, match_identity, verify_identity_document
from tools.watchlist import screen_watchlist

_PROOF_DEMANDED = frozenset(
    {BureauAlert.FRAUD_INITIAL, BureauAlert.FRAUD_EXTENDED, BureauAlert.ACTIVE_DUTY}
)
"""Alerts under which nobody may be given credit before their identity is proven (FCRA 605A)."""

_PREFERENCE = tuple(IdentityDocumentStatus)


class KycAgent(Agent[CaseFile, KycFinding]):
    """Document, then match, then watchlist. Without a usable list there is no answer."""

    name = "kyc"

    def __init__(self, watchlist: Path, max_list_age_days: int = 90) -> None:
        self._watchlist = watchlist
        self._max_list_age_days = max_list_age_days

    async def answer(self, question: CaseFile) -> KycFinding:
        application = question.application
        matches = tuple(_match(question, one) for one in application.applicants)
        screening = screen_watchlist(
            self._watchlist,
            tuple((one.role, one.full_name, one.dob) for one in application.applicants),
            application.as_of_date,
            self._max_list_age_days,
        )
        status = identity_status(matches)
        alerts = {alert for _, report in question.reports for alert in report.alerts}
        demanding = tuple(sorted(alerts & _PROOF_DEMANDED))
        proven = status is IdentityStatus.VERIFIED
        return KycFinding(
            agent=self.label,
            agent_version=self.version,
            status=FindingStatus.OK if proven else FindingStatus.DEGRADED,
            evidence=tuple(one.document_id for one in matches if one.document_id)
            + tuple(one.entry_id for one in screening.candidates),
            warnings=() if proven else tuple(f"alert_open:{alert}" for alert in demanding),
            identity_status=status,
            matches=matches,
            watchlist=screening,
            alerts_handled=demanding if proven else (),
        )


def _match(case: CaseFile, applicant: Applicant) -> IdentityMatch:
    """Against the best of the applicant's identity documents: a renewed one replaces the old."""
    as_of = case.application.as_of_date
    judged = [
        (verify_identity_document(paper, as_of), document.document_id, paper)
        for document, paper in papers_of(case, applicant.role, *IDENTITY_KINDS)
        if isinstance(paper, IdentityDocument)
    ]
    on_file = {role: report.subject_ssn_last4 for role, report in case.reports}
    bureau_last4 = on_file.get(applicant.role)
    if not judged:
        sent = any(
            one.applicant is applicant.role and one.kind in IDENTITY_KINDS for one in case.documents
        )
        missing = IdentityDocumentStatus.UNSUPPORTED if sent else IdentityDocumentStatus.MISSING
        return match_identity(applicant, None, missing, bureau_ssn_last4=bureau_last4)
    status, document_id, paper = min(judged, key=lambda one: _PREFERENCE.index(one[0]))
    return match_identity(applicant, paper, status, document_id, bureau_last4)
