"""Rows with one fault each, to see how a portfolio is read when other programs write it badly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from data.strict_json import MAX_DEPTH
from tools.portfolio.records import MAX_ROW_BYTES

Value = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """One kind of fault, with the pointer and the code of its reject."""

    kind: str
    pointer: str
    code: str
    damage: Callable[[Value, str], bytes]
    """Makes the row from a good bundle and the application id of an earlier row."""


def _text(change: Callable[[bytes], bytes]) -> Callable[[Value, str], bytes]:
    """A fault of the row's text."""
    return lambda value, _: change(_written(value))


def _field(pointer: str, new: object) -> Callable[[Value, str], bytes]:
    """A field with a value that the contract refuses, or with an additional name."""

    def damage(value: Value, _: str) -> bytes:
        here: Any = value
        *outer, last = pointer.split("/")[1:]
        for part in outer:
            here = here[int(part) if part.isdecimal() else part]
        here[last] = new
        return _written(value)

    return damage


def _same_applicant_twice(value: Value, _: str) -> bytes:
    applicants = value["application"]["applicants"]
    applicants[1:] = [applicants[0] | {"role": "co"}]
    return _written(value)


def _decided_before_receipt(value: Value, _: str) -> bytes:
    application = value["application"]
    day = date.fromisoformat(application["as_of_date"]) - timedelta(days=1)
    application["as_of_date"] = day.isoformat()
    return _written(value)


def _earlier_id(value: Value, earlier: str) -> bytes:
    value["application"]["application_id"] = earlier
    return _written(value)


def _too_large(value: Value, _: str) -> bytes:
    value["application"]["partner_id"] = "x" * MAX_ROW_BYTES
    return _written(value)


def _written(value: Value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _of(kind: str, pointer: str, code: str, new: object) -> Fault:
    return Fault(kind, pointer, code, _field(pointer, new))


_APPLICATION = "/application"
_AMOUNT = f"{_APPLICATION}/amount_requested"
_APPLICANT = f"{_APPLICATION}/applicants/0"
_DEEP = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)

TOO_LARGE = Fault("too_large", "", "too_large", _too_large)
"""As large as all other faulty rows of a small portfolio together, so it is made once."""

FAULTS: tuple[Fault, ...] = (
    Fault("not_json", "", "malformed_json", _text(lambda row: row[: len(row) // 2])),
    Fault("not_utf8", "", "malformed_json", _text(lambda row: row.replace(b"e", b"\xe9", 1))),
    Fault(
        "nan",
        "",
        "malformed_json",
        _text(lambda row: row.replace(b'"dependents":', b'"dependents":NaN,"was":', 1)),
    ),
    Fault(
        "key_given_twice",
        "",
        "malformed_json",
        _text(lambda row: row.replace(b"{", b'{"schema_version":1,', 1)),
    ),
    Fault(
        "nested_too_deep",
        "",
        "malformed_json",
        _text(lambda row: row.replace(b"{", b'{"deep":' + _DEEP + b",", 1)),
    ),
    _of("unknown_field", "/unknown", "extra_forbidden", True),
    _of("wrong_type", f"{_APPLICATION}/term_months", "int_type", "36"),
    _of("amount_with_comma", _AMOUNT, "value_error", "12,000.00"),
    _of("amount_with_exponent", _AMOUNT, "value_error", "1e4"),
    _of("amount_with_three_decimals", _AMOUNT, "decimal_max_places", "12000.005"),
    _of("amount_zero", _AMOUNT, "greater_than", "0.00"),
    _of("amount_negative", _AMOUNT, "greater_than", "-12000.00"),
    _of("term_zero", f"{_APPLICATION}/term_months", "greater_than_equal", 0),
    _of("born_in_the_future", f"{_APPLICANT}/dob", "dob_impossible", "2199-01-01"),
    _of("born_too_long_ago", f"{_APPLICANT}/dob", "dob_impossible", "1850-01-01"),
    _of("no_such_day", f"{_APPLICANT}/dob", "date_from_datetime_parsing", "2001-02-29"),
    Fault(
        "decided_before_receipt",
        f"{_APPLICATION}/as_of_date",
        "as_of_before_receipt",
        _decided_before_receipt,
    ),
    _of("ssn_invalid", f"{_APPLICANT}/ssn", "ssn_invalid", "000-12-3456"),
    _of("no_consent", f"{_APPLICATION}/consent", "consent_missing", None),
    _of("name_empty", f"{_APPLICANT}/last_name", "blank", " "),
    _of("control_character", f"{_APPLICANT}/last_name", "control_character", "Line\nBreak"),
    Fault(
        "same_applicant_twice",
        f"{_APPLICATION}/applicants",
        "duplicate_applicant",
        _same_applicant_twice,
    ),
    _of("path_outside", "/bureau_report", "path_not_allowed", "../report.json"),
    _of("path_absolute", "/bureau_report", "path_not_allowed", "/srv/report.json"),
    _of("file_missing", "/bureau_report", "file_missing", "reports/none.json"),
    Fault(
        "duplicate_application",
        f"{_APPLICATION}/application_id",
        "duplicate_application",
        _earlier_id,
    ),
)
