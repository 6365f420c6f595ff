"""Documents are read, or refused with a code. Their text never gives orders to the desk."""

from __future__ import annotations

import base64
import hashlib
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data.contracts.application import ApplicantRole
from data.contracts.base import canonical_json
from data.contracts.documents import (
    AnnualIncomeProof,
    BankStatement,
    BenefitsLetter,
    Document,
    DocumentContent,
    DocumentKind,
    IdentityDocument,
    PayFrequency,
    Paystub,
    Transaction,
)
from data.synthetic.builder import json_document
from tools.case_files import load_case
from tools.documents import (
    DocumentUnusableError,
    inconsistencies,
    read_document,
    readable_documents,
    staleness,
    statement_breaks,
)

DATA = Path("data")
AS_OF = date(2026, 11, 2)
ADA = load_case(DATA, "ada-prime").application


def _stub(**differs: Any) -> Paystub:
    found: dict[str, Any] = {
        "employer": "Mill",
        "employee_name": "Ada Prime",
        "pay_frequency": PayFrequency.MONTHLY,
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "pay_date": date(2026, 10, 31),
        "gross": Decimal("5000.00"),
        "net": Decimal("3900.00"),
        "ytd_gross": Decimal("50000.00"),
    }
    return Paystub(**(found | differs))


def _statement(
    start: date, end: date, opening: str, closing: str, *moves: tuple[date, str], account: str = "1"
) -> BankStatement:
    return BankStatement(
        account_last4=account.zfill(4),
        holder_name="Ada Prime",
        period_start=start,
        period_end=end,
        opening_balance=Decimal(opening),
        closing_balance=Decimal(closing),
        transactions=tuple(
            Transaction(posted_on=day, amount=Decimal(amount), description="x")
            for day, amount in moves
        ),
    )


def _document(content: bytes, **differs: Any) -> Document:
    found: dict[str, Any] = {
        "document_id": "doc-1",
        "kind": DocumentKind.PAYSTUB,
        "media_type": "application/json",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "received_at": "2026-11-02T10:00:00Z",
        "content_base64": base64.b64encode(content).decode(),
    }
    return Document.model_validate(found | differs)


def _problem(document: Document) -> str:
    with pytest.raises(DocumentUnusableError) as refused:
        read_document(document)
    assert "doc-1" in str(refused.value)
    return refused.value.problem


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b" \n"])
def test_a_document_is_read_by_its_kind(mark: bytes) -> None:
    assert read_document(_document(mark + _stub().model_dump_json().encode())) == _stub()


@pytest.mark.parametrize(
    ("content", "differs", "problem"),
    [
        (b"", {}, "empty"),
        (b"{}", {"content_base64": "%%%"}, "not_base64"),
        (b"{}", {"size_bytes": 3}, "size_mismatch"),
        (b"{}", {"sha256": "0" * 64}, "sha256_mismatch"),
        (b"{}", {}, "malformed"),
        (b'{"gross": ', {}, "malformed"),
        (b'{"a":' * 50_000, {}, "malformed"),
        (b"%PDF-1.7 ...", {}, "wrong_first_bytes"),
        (b"PK\x03\x04 ...", {}, "wrong_first_bytes"),
        (b"\x1f\x8b ...", {}, "wrong_first_bytes"),
        (b"plain words", {}, "wrong_first_bytes"),
        (b"{}", {"media_type": "application/pdf"}, "wrong_first_bytes"),
        (b"%PDF-1.7 ...", {"media_type": "application/pdf"}, "unsupported_media"),
        (b"%PDF-1.7 /Encrypt", {"media_type": "application/pdf"}, "encrypted"),
        (b"PK\x03\x04 ...", {"media_type": "application/zip"}, "unsupported_media"),
        (b"MZ...", {"media_type": "application/x-msdownload"}, "unsupported_media"),
        (b"{}", {"kind": DocumentKind.PROOF_OF_ADDRESS}, "unsupported_kind"),
    ],
)
def test_an_unusable_document_says_why(
    content: bytes, differs: dict[str, Any], problem: str
) -> None:
    assert _problem(_document(content, **differs)) == problem


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"gross":"5000.00"', b'"gross":"1.00","gross":"5000.00"'),
        (b'"deductions":[]', b'"deductions":[{"label":"a","label":"b","amount":"1.00"}]'),
        (b'"gross":"5000.00"', b'"gross":NaN'),
        (b'"gross":"5000.00"', b'"gross":1e999'),
        (b'"employer":"Mill"', b'"employer":"\\ud800"'),
        (b'"employer":"Mill"', b'"employer":"\xff"'),
        (b'"pay_date":"2026-10-31"', b'"pay_date":1'),
        (b'"pay_date":"2026-10-31"', b'"pay_date":"20261031"'),
    ],
)
def test_a_document_that_two_programs_could_read_differently_is_unreadable(
    written: bytes, instead: bytes
) -> None:
    content = canonical_json(_stub())
    assert written in content
    assert read_document(_document(content)) == _stub()

    assert _problem(_document(content.replace(written, instead))) == "malformed"


def test_a_document_with_the_digest_of_another_is_not_taken_for_it() -> None:
    genuine = _document(canonical_json(_stub()))
    assert read_document(genuine) == _stub()
    forged = canonical_json(_stub(gross=Decimal("9000.00")))

    claimed = _document(forged, sha256=genuine.sha256, size_bytes=len(forged))

    assert _problem(claimed) == "sha256_mismatch"


def test_a_damaged_paystub_is_named_by_its_id() -> None:
    cora = load_case(DATA, "cora-corrupt")
    damaged = next(document for document in cora.documents if document.kind is DocumentKind.PAYSTUB)

    with pytest.raises(DocumentUnusableError, match="paystub-primary: size_mismatch"):
        read_document(damaged)
    assert list(readable_documents(cora, ApplicantRole.PRIMARY, DocumentKind.PAYSTUB)) == []


def test_a_refusal_does_not_repeat_the_content() -> None:
    with pytest.raises(DocumentUnusableError) as refused:
        read_document(_document(b'{"employee_name": "Zoltan Quixley"}'))

    assert "Quixley" not in str(refused.value)


def test_documents_are_selected_by_applicant_and_kind() -> None:
    case = load_case(DATA, "jo-kit-joint")

    found = [
        document.document_id
        for document, _ in readable_documents(
            case, ApplicantRole.CO, DocumentKind.PAYSTUB, DocumentKind.BANK_STATEMENT
        )
    ]

    assert found == ["paystub-co", "statement-co"]


@pytest.mark.parametrize(
    ("days", "problem"), [(0, None), (60, None), (61, "document_stale"), (-1, "dated_after_as_of")]
)
def test_a_paystub_counts_for_sixty_days(days: int, problem: str | None) -> None:
    stub = _stub(pay_date=AS_OF - timedelta(days=days))

    assert staleness(json_document("p", DocumentKind.PAYSTUB, stub), stub, ADA) == problem


@pytest.mark.parametrize(
    ("year", "problem"),
    [(2026, "dated_after_as_of"), (2025, None), (2024, None), (2023, "document_stale")],
)
def test_an_annual_proof_counts_for_two_years(year: int, problem: str | None) -> None:
    proof = AnnualIncomeProof(
        recipient_name="Ada Prime", tax_year=year, gross_income=Decimal("60000.00")
    )

    assert staleness(json_document("p", DocumentKind.W2, proof), proof, ADA) == problem


def test_a_letter_of_benefits_counts_for_a_year() -> None:
    def judged(day: date) -> str | None:
        letter = BenefitsLetter(
            recipient_name="Ada", payer="Fund", letter_date=day, monthly_amount=Decimal("1.00")
        )
        return staleness(json_document("p", DocumentKind.BENEFITS_LETTER, letter), letter, ADA)

    assert judged(date(2025, 11, 2)) is None
    assert judged(date(2025, 10, 31)) == "document_stale"


def _received(written: str) -> Document:
    document = json_document("p", DocumentKind.PAYSTUB, _stub())
    return Document.model_validate(document.model_dump() | {"received_at": written})


def test_a_document_that_arrived_after_the_as_of_date_is_refused() -> None:
    late = _received("2026-11-03T12:00:00Z")

    assert staleness(late, _stub(), ADA) == "dated_after_as_of"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("2026-11-03T05:30:00Z", None),
        ("2026-11-02T21:30:00-08:00", None),
        ("2026-11-03T06:30:00Z", "dated_after_as_of"),
        ("2026-11-03T20:30:00+14:00", "dated_after_as_of"),
    ],
)
def test_the_day_of_receipt_is_the_day_where_the_applicant_lives(
    written: str, problem: str | None
) -> None:
    document = _received(written)

    assert staleness(document, _stub(), ADA) == problem


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (_stub(), ()),
        (_stub(net=Decimal("5000.01")), ("net_above_gross",)),
        (_stub(ytd_gross=Decimal("4999.99")), ("ytd_below_period",)),
        (_stub(period_end=date(2026, 9, 30)), ("period_reversed",)),
        (
            _statement(date(2026, 9, 1), date(2026, 9, 30), "10.00", "15.00",
                       (date(2026, 9, 5), "7.50"), (date(2026, 9, 6), "-2.50")),
            (),
        ),
        (
            _statement(date(2026, 9, 1), date(2026, 9, 30), "10.00", "15.01",
                       (date(2026, 9, 5), "5.00")),
            ("does_not_foot",),
        ),
        (
            _statement(date(2026, 9, 1), date(2026, 9, 30), "10.00", "15.00",
                       (date(2026, 10, 5), "5.00")),
            ("transaction_outside_period",),
        ),
        (
            IdentityDocument(
                number="N1",
                full_name="Ada Prime",
                dob=date(1980, 1, 1),
                issuer="IL",
                issue_date=date(2026, 1, 1),
                expiry_date=date(2026, 1, 1),
            ),
            ("period_reversed",),
        ),
    ],
)  # fmt: skip
def test_contradictions_are_found(content: DocumentContent, codes: tuple[str, ...]) -> None:
    assert inconsistencies(content) == codes


def test_statements_of_one_account_follow_each_other() -> None:
    august = _statement(date(2026, 8, 1), date(2026, 8, 31), "0.00", "0.00")
    september = _statement(date(2026, 9, 1), date(2026, 9, 30), "0.00", "0.00")
    october = _statement(date(2026, 10, 1), date(2026, 10, 31), "0.00", "0.00")
    richer = _statement(date(2026, 9, 1), date(2026, 9, 30), "50.00", "50.00")
    elsewhere = _statement(date(2026, 8, 1), date(2026, 8, 31), "9.00", "9.00", account="2")

    assert statement_breaks([september, august, october, elsewhere]) == ()
    assert statement_breaks([august, october]) == ("statements_gap",)
    assert statement_breaks([august, august]) == ("statements_overlap",)
    assert statement_breaks([august, richer]) == ("balance_not_carried_over",)
