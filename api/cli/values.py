"""`KEY=VALUE` on the command line, as a JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def parse_settings(given: Iterable[str] | None, example: str) -> dict[str, Any]:
    """Each value as JSON if it is JSON (a number, true, a list), otherwise as text.

    Raises ContractViolationError, with the example, for a pair without a name or a value.
    """
    from data.contracts.errors import ContractViolationError

    found: dict[str, Any] = {}
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ContractViolationError(f"--set takes KEY=VALUE, for example --set {example}")
        found[name] = _read(value)
    return found


def _read(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_text)
    except ValueError:
        return value


def _text(constant: str) -> str:
    return constant
