"""What may leave the process for a chat model: evidence and results of tools, masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.errors import ToolError
from data.contracts.personal import PersonalRecord, masked
from data.contracts.ssn import has_shape_of_ssn
from tools.personal_data_filter import PersonalDataFilter

_SHORTEST_NAME = 2


class PersonalDataLeavesError(ToolError):
    """A request to a chat model would contain personal data. Its text names the kind only."""

    code = "personal_data_leaves"


class ModelInput:
    """Masks what an agent's question lets a chat model see. Do not store this object."""

    def __init__(self, question: Contract) -> None:
        case = question if isinstance(question, CaseFile) else None
        self._filter = PersonalDataFilter(case) if case else None
        self._names = _pattern_of_names(case) if case else None
        self.is_masked = case is not None or not isinstance(question, PersonalRecord)
        """Whether nothing personal can be in the requests: the desk knows what to look for, or the
        question has none. Answers to other questions serve no other run."""

    def of_tool(self, result: Any) -> Any:
        """The result of a tool as plain values: personal fields masked, names in texts too."""
        return self._without_names(_plain(result))

    def checked(self, text: str) -> str:
        """The text as it may be sent. Raises PersonalDataLeavesError."""
        found = self._filter.find(text) if self._filter else None
        if found is None and has_shape_of_ssn(text):
            found = "tax number"
        if found is not None:
            raise PersonalDataLeavesError(f"a request would contain a {found}")
        return text

    def _without_names(self, value: Any) -> Any:
        match value:
            case dict():
                return {name: self._without_names(inner) for name, inner in value.items()}
            case list():
                return [self._without_names(inner) for inner in value]
            case str() if self._names is not None:
                return self._names.sub("***", value)
            case _:
                return value


def as_data(value: Any) -> str:
    """Plain values as the model reads them."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def facts_of(result: Any) -> Any:
    """The typed values of a tool's result: numbers, dates and codes of the desk's own lists.

    A text that another person wrote is no fact, whatever it says.
    """
    match result:
        case PersonalRecord() | Contract():
            return {name: facts_of(value) for name, value in result}
        case tuple() | list():
            return [facts_of(value) for value in result]
        case Enum():
            return result.value
        case bool() | int() | float() | Decimal() | date():
            return str(result) if isinstance(result, Decimal | date) else result
        case _:
            return None


def _plain(result: Any) -> Any:
    if isinstance(result, tuple | list):
        return [_plain(value) for value in result]
    return masked(result) if isinstance(result, Contract) else result


def _pattern_of_names(case: CaseFile) -> re.Pattern[str] | None:
    parts = {
        part
        for applicant in case.application.applicants
        for part in _parts_of(applicant.full_name.split())
    }
    if not parts:
        return None
    longest_first = sorted(map(re.escape, parts), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)


def _parts_of(words: Iterable[str]) -> set[str]:
    return {word for word in words if len(word) >= _SHORTEST_NAME}
