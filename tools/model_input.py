"""What may leave the process for a chat model: evidence and results of tools, masked."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.errors import ToolError
from data.contracts.personal import PersonalRecord, masked
from data.contracts.ssn import has_shape_of_ssn
from tools.claims import CHOSEN_IDS
from tools.personal_data_filter import PersonalDataFilter
from tools.plain_english import folded

_BETWEEN = r"[\W_]*"
"""What scanners, mail addresses and file names put between the letters and parts of a name."""


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

    def of_evidence(self, evidence: Mapping[str, Any]) -> dict[str, Any]:
        """A finding's values, without names in the ids that applicants have chosen.

        Other values are the desk's own, and a surname may be one of its codes.
        """
        return {
            name: self._without_names(value) if name in CHOSEN_IDS else self._inside(value)
            for name, value in evidence.items()
        }

    def _inside(self, value: Any) -> Any:
        match value:
            case dict():
                return self.of_evidence(value)
            case list() | tuple():
                return [self._inside(inner) for inner in value]
            case _:
                return value

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
                return self._names.sub("***", _folded(value))
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
    """Finds the parts of the applicants' names, alone and together, however they are spaced."""
    parts = {
        part
        for applicant in case.application.applicants
        for word in _folded(applicant.full_name).split()
        if (part := re.sub(r"[\W_]", "", word)) and (len(part) > 1 or not part.isascii())
    }
    if not parts:
        return None
    longest_first = sorted(parts, key=len, reverse=True)
    part = "|".join(_BETWEEN.join(map(re.escape, letters)) for letters in longest_first)
    return re.compile(rf"(?<![^\W_])(?:{part})(?:{_BETWEEN}(?:{part}))*(?![^\W_])", re.IGNORECASE)


def _folded(text: str) -> str:
    """A text without accents, wide letters and invisible characters."""
    if text.isascii():
        return text
    return "".join(letter for letter in folded(text) if unicodedata.category(letter) != "Cf")
