"""The one strict reader of JSON that comes from outside the desk.

Python's reader accepts more than JSON: NaN, a key given twice, numbers beyond any float, half a
surrogate pair. Two programs would read such a text differently, so the desk refuses it.
"""

from __future__ import annotations

import json
import math
from typing import Any

from data.contracts.errors import CreditDeskError

MAX_DEPTH = 32


class StrictJsonError(CreditDeskError, ValueError):
    """The text is not JSON, or two programs could read it differently.

    The message says what is wrong and where, and never repeats a value.
    """

    code = "malformed_json"


def parse_json(content: bytes, subject: str = "the body") -> Any:
    """Parse UTF-8 JSON. `subject` names the text in the message of the error.

    Raises StrictJsonError when the text is not UTF-8 or not JSON, gives a key twice in one
    object, holds NaN, an infinite number or half of a surrogate pair, or is nested deeper than
    `MAX_DEPTH` levels.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise StrictJsonError(f"{subject} is not UTF-8") from None
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_without_duplicate_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise StrictJsonError(
            f"{subject} is not JSON: line {error.lineno}, column {error.colno}"
        ) from None
    except _ConstantError as error:
        raise StrictJsonError(f"{error} is not JSON") from None
    except _DuplicateKeyError:
        raise StrictJsonError(f"{subject} gives a key twice in one object") from None
    except RecursionError:
        raise StrictJsonError(_too_deep(subject)) from None
    except ValueError:
        raise StrictJsonError(f"{subject} holds a number that is out of range") from None
    if _depth_exceeds(parsed, MAX_DEPTH):
        raise StrictJsonError(_too_deep(subject))
    if "\\u" in text and not _encodable(parsed):
        raise StrictJsonError(f"{subject} holds half of a surrogate pair")
    return parsed


class _ConstantError(ValueError):
    """NaN, Infinity or -Infinity, which Python accepts and JSON does not have."""


class _DuplicateKeyError(ValueError):
    """An object gives one key twice."""


def _without_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _refuse_constant(name: str) -> None:
    raise _ConstantError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError
    return number


def _too_deep(subject: str) -> str:
    return f"{subject} is nested deeper than {MAX_DEPTH} levels"


def _depth_exceeds(parsed: Any, limit: int) -> bool:
    """Whether a value has more levels than `limit`. Walks level by level, without recursion."""
    level, depth = [parsed], 0
    while level := [value for value in level if isinstance(value, dict | list)]:
        depth += 1
        if depth > limit:
            return True
        level = [
            part
            for value in level
            for part in (value.values() if isinstance(value, dict) else value)
        ]
    return False


def _encodable(parsed: Any) -> bool:
    """Whether every character is whole: half of a surrogate pair cannot be written as UTF-8."""
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
