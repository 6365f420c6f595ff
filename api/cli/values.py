"""`KEY=VALUE` on the command line, as a JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def parse_settings(given: Iterable[str] | None) -> dict[str, Any]:
    """Each value as JSON where it is JSON (a number, true, a list), else as the text it is.

    Raises ContractViolationError for one without a name.
    """
    from data.contracts.errors import ContractViolationError

    found: dict[str, Any] = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise ContractViolationError("--set takes KEY=VALUE, for example --set amount=9000")
        found[name] = _read(value)
    return found


def _read(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_text)
    except ValueError:
        return value


def _text(constant: str) -> str:
    return constant
