"""The strict JSON reader refuses every text that two programs could read differently."""

from __future__ import annotations

import pytest

from data.contracts.errors import CreditDeskError
from data.strict_json import MAX_DEPTH, StrictJsonError, parse_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "the file is not UTF-8"),
        (b"", "the file is not JSON: line 1, column 1"),
        (b"{\n  oops}", "the file is not JSON: line 2, column 3"),
        (b'{"a": 1} x', "the file is not JSON: line 1, column 10"),
        (b'\xef\xbb\xbf{"a": 1}', "the file is not JSON: line 1, column 1"),
        (b'{"a": 1, "a": 2}', "the file gives a key twice in one object"),
        (b'{"a": {"b": 1, "b": 1}}', "the file gives a key twice in one object"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "the file holds a number that is out of range"),
        (b"9" * 5000, "the file holds a number that is out of range"),
        (b'["\\ud800"]', "the file holds half of a surrogate pair"),
        (
            b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
            f"the file is nested deeper than {MAX_DEPTH} levels",
        ),
        (b"[" * 40 + b"]" * 40, f"the file is nested deeper than {MAX_DEPTH} levels"),
        (b"[" * 100_000, f"the file is nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_a_text_that_is_not_strict_json_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(StrictJsonError) as refused:
        parse_json(content, "the file")

    assert str(refused.value) == message
    assert isinstance(refused.value, CreditDeskError)
    assert refused.value.code == "malformed_json"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\\u00e9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b' {"a": {}, "b": []}\n', {"a": {}, "b": []}),
    ],
)
def test_strict_json_is_parsed(content: bytes, value: object) -> None:
    assert parse_json(content) == value


def test_the_deepest_allowed_text_is_parsed() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
