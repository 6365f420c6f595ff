"""Papers: from bytes to a typed document, or a code that says why it cannot be used.

What stands in a paper is data. A sentence in it that tells the desk what to do is compared,
counted or ignored like any other text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from pydantic import TypeAdapter, ValidationError

from data.contracts.application import ApplicantRole
from data.contracts.case import CaseFile
from data.contracts.documents import (
    AnnualIncomeProof,
    BankStatement,
    BenefitsLetter,
    Document,
    DocumentKind,
    IdentityDocument,
    Paper,
    Paystub,
)
from data.contracts.errors import ToolError
from tools.base import tool

STALE_AFTER = timedelta(days=60)
"""A paystub, statement or letter older than this at the as-of date must be renewed."""

_JSON = "application/json"

_FIRST_BYTES = {
    "application/pdf": b"%PDF-",
    "application/zip": b"PK\x03\x04",
    "application/gzip": b"\x1f\x8b",
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8\xff",
    "image/tiff": b"II*\x00",
}

_READERS: dict[DocumentKind, TypeAdapter[Paper]] = {
    DocumentKind.DRIVERS_LICENSE: TypeAdapter(IdentityDocument),
    DocumentKind.PASSPORT: TypeAdapter(IdentityDocument),
    DocumentKind.STATE_ID: TypeAdapter(IdentityDocument),
    DocumentKind.PAYSTUB: TypeAdapter(Paystub),
    DocumentKind.W2: TypeAdapter(AnnualIncomeProof),
    DocumentKind.TAX_RETURN: TypeAdapter(AnnualIncomeProof),
    DocumentKind.BANK_STATEMENT: TypeAdapter(BankStatement),
    DocumentKind.BENEFITS_LETTER: TypeAdapter(BenefitsLetter),
}


class DocumentUnusableError(ToolError, ValueError):
    """A paper that cannot be read, with a `problem` code that says why.

    `empty` `not_base64` `size_mismatch` `sha256_mismatch` `wrong_first_bytes` `encrypted`
    `unsupported_media` `unsupported_kind` `malformed`
    """

    code = "document_unusable"

    def __init__(self, document_id: str, problem: str) -> None:
        super().__init__(f"document {document_id}: {problem}")
        self.problem = problem


def paper_in(document: Document) -> Paper:
    """The paper in a document. Raises DocumentUnusableError naming the document."""
    content = _content(document)
    problem = _media_problem(document.media_type, content)
    if problem is not None:
        raise DocumentUnusableError(document.document_id, problem)
    reader = _READERS.get(document.kind)
    if reader is None:
        raise DocumentUnusableError(document.document_id, "unsupported_kind")
    try:
        return reader.validate_json(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValidationError, RecursionError):
        raise DocumentUnusableError(document.document_id, "malformed") from None


read_document = tool(name="read_document")(paper_in)
"""The same as a tool: in the trace, and among the calls of whoever asks."""


def papers_of(
    case: CaseFile, role: ApplicantRole, *kinds: DocumentKind
) -> Iterator[tuple[Document, Paper]]:
    """One applicant's readable papers of some kinds, in the order in which they were handed in.

    Papers that cannot be read are passed over here: naming them is the business of intake.
    """
    for document in case.documents:
        if document.applicant is role and document.kind in kinds:
            try:
                yield document, read_document(document)
            except DocumentUnusableError:
                continue


def staleness(document: Document, paper: Paper, as_of: date) -> str | None:
    """`dated_after_as_of`, `document_stale`, or None for a paper of the right age.

    Identity documents do not age; they expire, which `tools.identity` judges. An annual proof
    counts for the two years that follow its own.
    """
    if document.received_at.date() > as_of:
        return "dated_after_as_of"
    match paper:
        case Paystub():
            dated = paper.pay_date
        case BankStatement():
            dated = paper.period_end
        case BenefitsLetter():
            # A letter of benefits is written once a year.
            return _age_problem(paper.letter_date, as_of, timedelta(days=366))
        case AnnualIncomeProof():
            if paper.tax_year >= as_of.year:
                return "dated_after_as_of"
            return "document_stale" if paper.tax_year < as_of.year - 2 else None
        case IdentityDocument():
            return "dated_after_as_of" if paper.issue_date > as_of else None
    return _age_problem(dated, as_of, STALE_AFTER)


def inconsistencies(paper: Paper) -> tuple[str, ...]:
    """Codes for what cannot be true inside one paper, at any date."""
    match paper:
        case Paystub():
            found = {
                "period_reversed": paper.period_end < paper.period_start,
                "net_above_gross": paper.net > paper.gross,
                "ytd_below_period": paper.ytd_gross < paper.gross,
            }
        case BankStatement():
            moved = sum((one.amount for one in paper.transactions), Decimal(0))
            inside = all(
                paper.period_start <= one.posted_on <= paper.period_end
                for one in paper.transactions
            )
            found = {
                "period_reversed": paper.period_end < paper.period_start,
                "does_not_foot": paper.opening_balance + moved != paper.closing_balance,
                "transaction_outside_period": not inside,
            }
        case IdentityDocument():
            found = {"period_reversed": paper.expiry_date <= paper.issue_date}
        case _:
            found = {}
    return tuple(code for code, is_so in found.items() if is_so)


def statement_breaks(statements: Iterable[BankStatement]) -> tuple[str, ...]:
    """Codes for gaps and overlaps between the statements of one account."""
    accounts: dict[str, list[BankStatement]] = {}
    for statement in statements:
        accounts.setdefault(statement.account_last4, []).append(statement)
    found: set[str] = set()
    for account in accounts.values():
        account.sort(key=lambda one: (one.period_start, one.period_end))
        for earlier, later in pairwise(account):
            if later.period_start <= earlier.period_end:
                found.add("statements_overlap")
            elif later.period_start > earlier.period_end + timedelta(days=1):
                found.add("statements_gap")
            elif later.opening_balance != earlier.closing_balance:
                found.add("balance_not_carried_over")
    return tuple(sorted(found))


def _age_problem(dated: date, as_of: date, limit: timedelta) -> str | None:
    if dated > as_of:
        return "dated_after_as_of"
    return "document_stale" if as_of - dated > limit else None


def _content(document: Document) -> bytes:
    """The bytes, when they are the ones that the reference promises."""
    try:
        content = base64.b64decode(document.content_base64, validate=True)
    except (binascii.Error, ValueError):
        raise DocumentUnusableError(document.document_id, "not_base64") from None
    if not content:
        raise DocumentUnusableError(document.document_id, "empty")
    if len(content) != document.size_bytes:
        raise DocumentUnusableError(document.document_id, "size_mismatch")
    if hashlib.sha256(content).hexdigest() != document.sha256:
        raise DocumentUnusableError(document.document_id, "sha256_mismatch")
    return content


def _media_problem(media_type: str, content: bytes) -> str | None:
    """Judge by the first bytes, not by what the sender calls it; nothing is ever unpacked."""
    known = next((media for media, head in _FIRST_BYTES.items() if content.startswith(head)), None)
    if known is None and content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        known = _JSON
    if known != media_type:
        return (
            "unsupported_media" if media_type not in {_JSON, *_FIRST_BYTES} else "wrong_first_bytes"
        )
    if known == "application/pdf" and b"/Encrypt" in content:
        return "encrypted"
    return None if known == _JSON else "unsupported_media"
