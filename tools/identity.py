"""Checks an identity document, and compares it with the applicant."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from data.contracts.application import Address, Applicant
from data.contracts.documents import DocumentKind, IdentityDocument
from data.contracts.findings import (
    FieldMatch,
    IdentityDocumentStatus,
    IdentityMatch,
    IdentityStatus,
    MatchLevel,
)
from data.rounding import match_score
from tools.base import tool
from tools.mrz import mrz_agrees
from tools.names import MATCHES_FROM, likeness
from tools.street_address import CLOSE_FROM, address_likeness

_FORGED_FROM = Decimal("0.5")

_UNCHECKED = FieldMatch(level=MatchLevel.NOT_CHECKED)


@tool()
def verify_identity_document(
    document: IdentityDocument, as_of: date, kind: DocumentKind = DocumentKind.DRIVERS_LICENSE
) -> IdentityDocumentStatus:
    """Whether a document is genuine and valid on a day. It is still valid on its expiry date.

    A machine-readable zone that is wrong or says other things than the page, impossible dates, or
    a tamper score of 0.5 or more give TAMPERED, also for an expired document. A passport without
    a machine-readable zone is UNSUPPORTED: it proves nothing by itself.
    """
    tampered = (
        document.issue_date > as_of
        or document.expiry_date <= document.issue_date
        or (document.tamper_score is not None and document.tamper_score >= _FORGED_FROM)
        or (
            bool(document.mrz)
            and not mrz_agrees(
                document.mrz,
                document.full_name,
                document.number,
                document.dob,
                document.expiry_date,
            )
        )
    )
    if tampered:
        return IdentityDocumentStatus.TAMPERED
    if document.expiry_date < as_of:
        return IdentityDocumentStatus.EXPIRED
    if kind is DocumentKind.PASSPORT and not document.mrz:
        return IdentityDocumentStatus.UNSUPPORTED
    return IdentityDocumentStatus.VALID


@tool()
def match_identity(
    applicant: Applicant,
    document: IdentityDocument | None,
    document_status: IdentityDocumentStatus,
    document_id: str | None = None,
    bureau_ssn_last4: str | None = None,
) -> IdentityMatch:
    """Compare an applicant with their document, and their SSN with the bureau file."""
    return IdentityMatch(
        applicant=applicant.role,
        name=_match_name(applicant.full_name, document.full_name) if document else _UNCHECKED,
        dob=_match_dob(applicant.dob, document.dob) if document else _UNCHECKED,
        address=_match_address(applicant.addresses, document.address) if document else _UNCHECKED,
        ssn=_match_ssn(applicant.ssn, bureau_ssn_last4),
        document_status=document_status,
        document_id=document_id,
    )


def identity_status(matches: tuple[IdentityMatch, ...]) -> IdentityStatus:
    """VERIFIED when every applicant is verified; FAILED when anything contradicts an applicant.

    PARTIAL otherwise: for example a changed address, an expired or missing document, or a date of
    birth with day and month exchanged.
    """
    each = [_status_of(match) for match in matches]
    if IdentityStatus.FAILED in each:
        return IdentityStatus.FAILED
    return IdentityStatus.PARTIAL if IdentityStatus.PARTIAL in each else IdentityStatus.VERIFIED


def _status_of(match: IdentityMatch) -> IdentityStatus:
    contradicted = MatchLevel.NONE in {match.name.level, match.dob.level, match.ssn.level}
    if contradicted or match.document_status is IdentityDocumentStatus.TAMPERED:
        return IdentityStatus.FAILED
    confirmed = (
        match.document_status is IdentityDocumentStatus.VALID
        and match.name.level in {MatchLevel.EXACT, MatchLevel.CLOSE}
        and match.dob.level is MatchLevel.EXACT
        and match.address.level is not MatchLevel.NONE
    )
    return IdentityStatus.VERIFIED if confirmed else IdentityStatus.PARTIAL


def _match_name(stated: str, shown: str) -> FieldMatch:
    found = likeness(stated, shown)
    if found.equal:
        return _match(MatchLevel.EXACT, found.score)
    return _match(MatchLevel.CLOSE if found.score >= MATCHES_FROM else MatchLevel.NONE, found.score)


def _match_dob(stated: date, shown: date) -> FieldMatch:
    if stated == shown:
        return _match(MatchLevel.EXACT, 100)
    exchanged = (stated.year, stated.month, stated.day) == (shown.year, shown.day, shown.month)
    return _match(MatchLevel.CLOSE, 50) if exchanged else _match(MatchLevel.NONE, 0)


def _match_address(stated: tuple[Address, ...], shown: Address | None) -> FieldMatch:
    """Compare with every stated address, because a licence often shows an earlier address."""
    if shown is None:
        return _UNCHECKED
    best = max(address_likeness(address, shown) for address in stated)
    if best == 100:
        return _match(MatchLevel.EXACT, best)
    return _match(MatchLevel.CLOSE if best >= CLOSE_FROM else MatchLevel.NONE, best)


def _match_ssn(stated: str, on_file: str | None) -> FieldMatch:
    if on_file is None:
        return _UNCHECKED
    return _match(MatchLevel.EXACT, 100) if stated[-4:] == on_file else _match(MatchLevel.NONE, 0)


def _match(level: MatchLevel, score: float) -> FieldMatch:
    return FieldMatch(level=level, score=match_score(score))
