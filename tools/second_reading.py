"""A second reading of documents: what is shown for it, and which values of it count as read.

A value counts when the document's text holds it literally and the field's own validator takes it.
It never replaces a value of the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

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
from data.contracts.personal import personal_fields
from data.contracts.second_reading import FieldReading, FieldText, Standing
from data.strict_json import StrictJsonError, parse_json
from tools.documents import DocumentUnusableError, bytes_of, content_of

_PERIOD = ("period_start", "period_end")
_IDENTITY = (IdentityDocument, ("issue_date", "expiry_date"))
_ANNUAL = (AnnualIncomeProof, ("tax_year", "gross_income"))
_WANTED: dict[DocumentKind, tuple[type[DocumentContent], tuple[str, ...]]] = {
    DocumentKind.DRIVERS_LICENSE: _IDENTITY,
    DocumentKind.PASSPORT: _IDENTITY,
    DocumentKind.STATE_ID: _IDENTITY,
    DocumentKind.PAYSTUB: (
        Paystub,
        ("pay_frequency", *_PERIOD, "pay_date", "gross", "net", "ytd_gross"),
    ),
    DocumentKind.BANK_STATEMENT: (
        BankStatement,
        (*_PERIOD, "opening_balance", "closing_balance", "nsf_count", "overdraft_days"),
    ),
    DocumentKind.W2: _ANNUAL,
    DocumentKind.TAX_RETURN: _ANNUAL,
    DocumentKind.BENEFITS_LETTER: (BenefitsLetter, ("letter_date", "monthly_amount")),
}
"""The fields that are read twice: amounts, dates, counts and choices, and no text of a person."""

_LONGEST = 300
"""The most characters of one value that are shown."""
_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


@dataclass(frozen=True)
class LegibleDocument:
    """A document as it is shown for a second reading."""

    document_id: str
    kind: DocumentKind
    text: Mapping[str, str]
    """The values that are not marked as personal. Other keys of the file may hold anything."""
    parsed: DocumentContent | None
    """What the parser has read; None for a document that it cannot use."""

    @property
    def wanted(self) -> tuple[str, ...]:
        return _WANTED[self.kind][1]

    def shown(self) -> dict[str, Any]:
        """The document as plain values."""
        return {
            "document_id": self.document_id,
            "kind": self.kind.value,
            "wanted": list(self.wanted),
            "text": dict(self.text),
        }


def legible(documents: Iterable[Document]) -> tuple[LegibleDocument, ...]:
    """The documents that have a text and fields for a second reading."""
    return tuple(
        LegibleDocument(document.document_id, document.kind, text, _parsed(document))
        for document in documents
        if document.kind in _WANTED and (text := _text(document))
    )


def readings(
    documents: Sequence[LegibleDocument], fields: Iterable[FieldText]
) -> tuple[FieldReading, ...]:
    """The values beside those of the parser. Call it for fields without faults."""
    known = {document.document_id: document for document in documents}
    return tuple(
        FieldReading(**field.model_dump(), standing=_standing(known[field.document_id], field))
        for field in fields
    )


def reading_faults(
    documents: Sequence[LegibleDocument], fields: Sequence[FieldText]
) -> tuple[str, ...]:
    """Why values do not count as read, in words for the model; nothing if all do."""
    known = {document.document_id: document for document in documents}
    return tuple(
        f"{place}: {fault}"
        for number, field in enumerate(fields)
        for place in [f"fields[{number}]"]
        for fault in _faults(known, field, fields[:number])
    )


def _faults(
    known: Mapping[str, LegibleDocument], field: FieldText, before: Sequence[FieldText]
) -> Iterator[str]:
    document = known.get(field.document_id)
    if document is None or field.field not in document.wanted:
        yield "no such field is wanted of such a document"
        return
    if any((field.document_id, field.field) == (one.document_id, one.field) for one in before):
        yield f"{field.field} is read twice"
    if not any(_is_whole_in(value, field.span) for value in document.text.values()):
        yield "the span is not in the text of the document"
    elif not any(_is_whole_in(span, field.value) for span in _plain_forms(field.span)):
        yield "the span does not hold the value literally"
    if _validated(document.kind, field) is None:
        yield f"the value is none that {field.field} can have"


def _standing(document: LegibleDocument, field: FieldText) -> Standing:
    if document.parsed is None:
        return Standing.ADDED
    is_equal = getattr(document.parsed, field.field) == _validated(document.kind, field)
    return Standing.AGREES if is_equal else Standing.DIFFERS


def _is_whole_in(text: str, part: str) -> bool:
    """Whether a text holds a part literally, and not in the middle of a number or a word."""
    whole = rf"(?<![\w.,-]){re.escape(part)}(?![\w-]|[.,]\d)"
    return bool(part.strip()) and re.search(whole, text) is not None


def _plain_forms(span: str) -> tuple[str, str]:
    """A span as it is, and with its numbers as a field has them: `1,900.00` is 1900.00."""
    return span, _SEPARATOR.sub("", span)


def _validated(kind: DocumentKind, field: FieldText) -> Any:
    try:
        return _validator(_WANTED[kind][0], field.field).validate_strings(field.value)
    except ValidationError:
        return None


@cache
def _validator(contract: type[DocumentContent], name: str) -> TypeAdapter[Any]:
    info = contract.model_fields[name]
    form: Any = info.annotation
    return TypeAdapter(Annotated[(form, *info.metadata)] if info.metadata else form)


def _parsed(document: Document) -> DocumentContent | None:
    try:
        return content_of(document)
    except DocumentUnusableError:
        return None


def _text(document: Document) -> dict[str, str]:
    """The plain values of a document under the names of fields that are not personal."""
    contract = _WANTED[document.kind][0]
    raw = bytes_of(document)
    try:
        plain = parse_json(raw) if isinstance(raw, bytes) else None
    except StrictJsonError:
        return {}
    if not isinstance(plain, dict):
        return {}
    hidden = personal_fields(contract)
    return {
        name: str(plain[name])[:_LONGEST]
        for name in contract.model_fields
        if name not in hidden and isinstance(plain.get(name), str | int | float)
    }
