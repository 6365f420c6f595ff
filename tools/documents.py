"""Documents: from bytes to typed content, or a code that says why a document is unusable.

The text of a document is data. The desk never follows an instruction that a document contains.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from pydantic import TypeAdapter, ValidationError

from data.contracts.application import ApplicantRole, Application
from data.contracts.case import CaseFile
from data.contracts.documents import (
    AnnualIncomeProof,
    BankStatement,
    BenefitsLetter,
    Document,
    DocumentContent,
    DocumentKind,
    IdentityDocument,
    Paystub,
)
from data.contracts.errors import ToolError
from data.strict_json import StrictJsonError, parse_json
from tools.base import tool
from tools.document_cache import DocumentCache, Parsed

STALE_AFTER = timedelta(days=60)
"""A paystub or statement that is older than this on the as-of date must be renewed."""

_JSON = "application/json"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Compute = Callable[[Callable[[Document], Parsed], Document], Awaitable[Parsed]]

_parsed = DocumentCache()

_FIRST_BYTES = {
    "application/pdf": b"%PDF-",
    "application/zip": b"PK\x03\x04",
    "application/gzip": b"\x1f\x8b",
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8\xff",
    "image/tiff": b"II*\x00",
}

_READERS: dict[DocumentKind, TypeAdapter[DocumentContent]] = {
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
    """A document that cannot be read. `problem` is a code that says why:

    `empty` `not_base64` `size_mismatch` `sha256_mismatch` `wrong_first_bytes` `encrypted`
    `unsupported_media` `unsupported_kind` `malformed`

    `malformed` is also a document that two programs could read differently: one with a key given
    twice, or NaN.
    """

    code = "document_unusable"

    def __init__(self, document_id: str, problem: str) -> None:
        super().__init__(f"document {document_id}: {problem}")
        self.problem = problem


def content_of(document: Document) -> DocumentContent:
    """The typed content of a document. Raises DocumentUnusableError, which names the document.

    A document that was parsed lately is not parsed again.
    """
    parsed = _parsed.find(document)
    if parsed is None:
        parsed = parse(document)
        _parsed.keep(document, parsed)
    if isinstance(parsed, str):
        raise DocumentUnusableError(document.document_id, parsed)
    return parsed


async def preread(case: CaseFile, compute: Compute = asyncio.to_thread) -> None:
    """Parse the documents of a case with `compute`, so that agents find them parsed.

    A large statement takes a tenth of a second to parse. An event loop that serves other runs
    leaves it to a thread.
    """
    for document in case.documents:
        if _parsed.find(document) is None:
            _parsed.keep(document, await compute(parse, document))


def parse(document: Document) -> Parsed:
    """The typed content of a document, or the code of the problem. Nothing is remembered."""
    raw = bytes_of(document)
    if isinstance(raw, str):
        return raw
    problem = _media_problem(document.media_type, raw)
    if problem is not None:
        return problem
    reader = _READERS.get(document.kind)
    if reader is None:
        return "unsupported_kind"
    try:
        return reader.validate_python(parse_json(raw.removeprefix(_BYTE_ORDER_MARK)))
    except (StrictJsonError, ValidationError):
        return "malformed"


read_document = tool(name="read_document")(content_of)
"""`content_of` as a tool: traced and recorded."""


def readable_documents(
    case: CaseFile, role: ApplicantRole, *kinds: DocumentKind
) -> Iterator[tuple[Document, DocumentContent]]:
    """One applicant's readable documents of some kinds with their content, in file order.

    The same paper twice is one document. Skips documents that cannot be read. The intake agent
    reports those.
    """
    readable: list[tuple[Document, DocumentContent]] = []
    copies: dict[tuple[DocumentKind, str], str] = {}
    for document in case.documents:
        if document.applicant is role and document.kind in kinds:
            try:
                readable.append((document, read_document(document)))
            except DocumentUnusableError:
                continue
            paper = (document.kind, document.sha256)
            copies[paper] = min(document.document_id, copies.get(paper, document.document_id))
    for document, content in readable:
        if copies[document.kind, document.sha256] == document.document_id:
            yield document, content


def staleness(document: Document, content: DocumentContent, application: Application) -> str | None:
    """`dated_after_as_of`, `document_stale`, or None for a document of the right age.

    Identity documents do not become stale. They expire, which `tools.identity` checks. An annual
    proof is accepted for the two years after its tax year.
    """
    as_of = application.as_of_date
    if application.day_of(document.received_at) > as_of:
        return "dated_after_as_of"
    match content:
        case Paystub():
            dated = content.pay_date
        case BankStatement():
            dated = content.period_end
        case BenefitsLetter():
            # Payers write a letter of benefits once a year.
            return _age_problem(content.letter_date, as_of, timedelta(days=366))
        case AnnualIncomeProof():
            if content.tax_year >= as_of.year:
                return "dated_after_as_of"
            return "document_stale" if content.tax_year < as_of.year - 2 else None
        case IdentityDocument():
            return "dated_after_as_of" if content.issue_date > as_of else None
    return _age_problem(dated, as_of, STALE_AFTER)


def inconsistencies(content: DocumentContent) -> tuple[str, ...]:
    """Codes for contradictions within one document."""
    match content:
        case Paystub():
            found = {
                "period_reversed": content.period_end < content.period_start,
                "net_above_gross": content.net > content.gross,
                "ytd_below_period": content.ytd_gross < content.gross,
            }
        case BankStatement():
            moved = sum((transaction.amount for transaction in content.transactions), Decimal(0))
            inside = all(
                content.period_start <= transaction.posted_on <= content.period_end
                for transaction in content.transactions
            )
            found = {
                "period_reversed": content.period_end < content.period_start,
                "does_not_foot": content.opening_balance + moved != content.closing_balance,
                "transaction_outside_period": not inside,
            }
        case IdentityDocument():
            found = {"period_reversed": content.expiry_date <= content.issue_date}
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
        account.sort(key=lambda statement: (statement.period_start, statement.period_end))
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


def bytes_of(document: Document) -> bytes | str:
    """The decoded bytes, or how they differ from the size and the digest of the document."""
    try:
        raw = base64.b64decode(document.content_base64, validate=True)
    except (binascii.Error, ValueError):
        return "not_base64"
    if not raw:
        return "empty"
    if len(raw) != document.size_bytes:
        return "size_mismatch"
    if hashlib.sha256(raw).hexdigest() != document.sha256:
        return "sha256_mismatch"
    return raw


def _media_problem(media_type: str, raw: bytes) -> str | None:
    """Compare the first bytes with the declared media type. Archives are never unpacked."""
    known = next((media for media, head in _FIRST_BYTES.items() if raw.startswith(head)), None)
    if known is None and raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        known = _JSON
    if known != media_type:
        return (
            "unsupported_media" if media_type not in {_JSON, *_FIRST_BYTES} else "wrong_first_bytes"
        )
    if known == "application/pdf" and b"/Encrypt" in raw:
        return "encrypted"
    return None if known == _JSON else "unsupported_media"
