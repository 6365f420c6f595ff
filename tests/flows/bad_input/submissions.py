"""Rows of the table that are answered when an application comes in."""

from __future__ import annotations

from typing import Any

from api.json_route import MAX_BYTES
from data.contracts.decision import Outcome
from data.contracts.documents import DocumentKind
from data.contracts.policy import ReasonCode
from tests.flows.bad_input.place import Attempt, accepted, ends, malformed, refused
from tests.flows.cases import APPLICANT, changed, of_bytes, with_papers, without
from tests.flows.inline import persona

ADA = persona("ada-prime").case
_ADA: dict[str, Any] = ADA.application.primary.model_dump(mode="json")
_TWIN = _ADA | {"role": "co"}
_KIT = _TWIN | {"first_name": "Kit", "dob": "1986-02-02"}


def _in_place_of(old: bytes, new: bytes) -> Attempt:
    return malformed(lambda whole: whole.replace(old, new, 1))


BODY: dict[str, Attempt] = {
    "not JSON": malformed(lambda whole: whole[:-1]),
    "not UTF-8": _in_place_of(b'"Ada"', b'"\xff"'),
    "NaN": _in_place_of(b'"dependents": 0', b'"dependents": NaN'),
    "Infinity": _in_place_of(b'"dependents": 0', b'"dependents": Infinity'),
    "duplicate keys": _in_place_of(b'"term_months": ', b'"term_months": 12, "term_months": '),
    "depth bomb": malformed(lambda _: b"[" * 100_000),
    "above the size cap": malformed(lambda whole: whole + b" " * MAX_BYTES, status=413),
}

FIELDS: dict[str, Attempt] = {
    "unknown field": refused("/tax_id", "extra_forbidden", tax_id="1"),
    "wrong type": refused("/application/term_months", "int_type", application__term_months="36"),
    "12,000.00": refused(
        "/application/amount_requested",
        "value_error",
        application__amount_requested="12,000.00",
    ),
    "1e4": refused(
        "/application/amount_requested", "value_error", application__amount_requested="1e4"
    ),
    "3 decimals": refused(
        "/application/amount_requested",
        "decimal_max_places",
        application__amount_requested="900.123",
    ),
}

TERMS: dict[str, Attempt] = {
    "amount 0": refused(
        "/application/amount_requested", "greater_than", application__amount_requested="0.00"
    ),
    "negative amount": refused(
        "/application/amount_requested", "greater_than", application__amount_requested="-9.00"
    ),
    "term 0": refused("/application/term_months", "greater_than_equal", application__term_months=0),
    "amount above the product": ends(
        changed("ada-prime", application__amount_requested="60000.00"),
        outcome=Outcome.DECLINE,
        reason=ReasonCode.AMOUNT_EXCEEDS_PRODUCT_LIMIT,
    ),
    "term not offered": ends(
        changed("ada-prime", application__term_months=7),
        outcome=Outcome.DECLINE,
        reason=ReasonCode.TERMS_NOT_OFFERED,
    ),
}


def _born(day: str, code: str) -> Attempt:
    return refused("/application/applicants/0/dob", code, **{f"{APPLICANT}dob": day})


BIRTHS: dict[str, Attempt] = {
    "in the future": _born("2027-01-01", "dob_impossible"),
    "age above 120": _born("1890-01-01", "dob_impossible"),
    "29 Feb 2001": _born("2001-02-29", "date_from_datetime_parsing"),
    "17 years": ends(
        persona("minnie-minor").case,
        outcome=Outcome.DECLINE,
        reason=ReasonCode.BELOW_LEGAL_AGE,
        also=lambda done: done.agents() == {"doc_intake", "underwriter.decision"},
    ),
}

_TOMORROW = "2026-11-03T15:00:00Z"
_LATER_STUB = changed("ada-prime", documents__1__received_at=_TOMORROW)

DATES: dict[str, Attempt] = {
    "received_at in the future": refused(
        "/application/as_of_date", "as_of_before_receipt", application__received_at=_TOMORROW
    ),
    "as_of before received_at": refused(
        "/application/as_of_date", "as_of_before_receipt", application__as_of_date="2026-11-01"
    ),
    "document dated after as_of": ends(
        _LATER_STUB,
        gate="documents",
        also=lambda done: (
            "dated_after_as_of"
            in {reading.problem for reading in done.run.state.doc_intake.finding.readings}
        ),
    ),
}

SSNS: dict[str, Attempt] = {
    ssn: refused("/application/applicants/0/ssn", "ssn_invalid", **{f"{APPLICANT}ssn": ssn})
    for ssn in (
        "000-12-3456",
        "666-12-3456",
        "912-12-3456",
        "516-00-3456",
        "516-12-0000",
        "078-05-1120",
        "111-11-1111",
    )
}

CONSENT: dict[str, Attempt] = {
    "none": refused("/application/consent", "consent_missing", application__consent=None),
    "none for the pull": refused(
        "/application/consent", "consent_missing", application__consent__credit_pull_at=None
    ),
    "after the pull": refused(
        "",
        "consent_missing",
        bureau_report__report_date="2026-11-01",
        application__consent__credit_pull_at="2026-11-02T15:00:00Z",
    ),
}

NAMES_SUBMITTED: dict[str, Attempt] = {
    "empty": refused(
        "/application/applicants/0/last_name", "blank", **{f"{APPLICANT}last_name": ""}
    ),
    "control characters": refused(
        "/application/applicants/0/last_name",
        "control_character",
        **{f"{APPLICANT}last_name": "a\x07b"},
    ),
    "right-to-left override": refused(
        "/application/applicants/0/last_name",
        "control_character",
        **{f"{APPLICANT}last_name": "a\u202eb"},
    ),
    "300 characters": accepted(**{f"{APPLICANT}last_name": "x" * 300}),
    "emoji, handed in": accepted(**{f"{APPLICANT}last_name": "\U0001f642"}),
}

CO_APPLICANTS: dict[str, Attempt] = {
    "the same person twice": refused(
        "/application/applicants", "duplicate_applicant", application__applicants=[_ADA, _TWIN]
    ),
    "the primary applicant's SSN": refused(
        "/application/applicants", "duplicate_applicant", application__applicants=[_ADA, _KIT]
    ),
}


def _unusable(body: bytes, problem: str, **differs: Any) -> Attempt:
    """A paystub of these bytes is named with its problem, and the run waits for another one."""
    paystub = of_bytes(body, DocumentKind.PAYSTUB, **differs)
    return ends(
        with_papers(ADA, paystub),
        gate="documents",
        also=lambda done: (
            problem
            in {
                reading.problem
                for reading in done.run.state.doc_intake.finding.readings
                if reading.document_id == paystub.document_id
            }
        ),
    )


DOCUMENTS: dict[str, Attempt] = {
    "missing": ends(without(ADA, DocumentKind.PAYSTUB), gate="documents"),
    "0 bytes": _unusable(b"", "empty"),
    "wrong magic": _unusable(b"%PDF-1.7", "wrong_first_bytes"),
    "encrypted PDF": _unusable(b"%PDF-1.7 /Encrypt", "encrypted", media_type="application/pdf"),
    "sha mismatch": _unusable(b"{}", "sha256_mismatch", sha256="0" * 64),
    "zip bomb": _unusable(b"PK\x03\x04" + b"\0" * 64, "wrong_first_bytes"),
}
