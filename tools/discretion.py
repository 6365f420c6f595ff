"""Free text that people write about a case, held against what is personal in the case.

A reason that somebody types at a gate is kept in the record, and may travel further than the
vault. It can be written without the applicant's tax number; one that repeats it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from data.contracts.application import ApplicantRole
from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.documents import DocumentKind
from data.contracts.personal import Kind, personal_fields
from tools.documents import papers_of

_WORDS: dict[Kind, str] = {
    "ssn": "tax number",
    "account": "account or document number",
    "dob": "date of birth",
    "phone": "telephone number",
    "email": "mail address",
    "street": "street",
}
"""The kinds that are looked for, in words. Names are not: people are spoken of by name."""

_SHORTEST = 6
"""Signs of a value that identifies anybody; four digits of an account occur by chance."""
_PHONE_DIGITS = 10
"""Without the country's code, which is often left out."""

_NOT_A_SIGN = re.compile(r"[\W_]+")


class Discretion:
    """What may not be repeated about one case. Hold as long as needed, and never store it."""

    def __init__(self, case: CaseFile) -> None:
        self._withheld: dict[str, Kind] = {}
        for kind, value in _values_in_file(case):
            for spelling in _spellings(kind, value):
                if len(spelling) >= _SHORTEST:
                    self._withheld[spelling] = kind

    def broken_by(self, text: str) -> str | None:
        """What a text repeats, in words such as `tax number`; None for a text that may stand.

        Spaces, dashes, dots and capitals make no difference.
        """
        signs = _signs(text)
        return next(
            (_WORDS[kind] for value, kind in self._withheld.items() if value in signs), None
        )


def _values_in_file(case: CaseFile) -> Iterator[tuple[Kind, object]]:
    """Of the application, of what services said, and of every paper that can be read."""
    yield from _values(case)
    for role in ApplicantRole:
        for _, paper in papers_of(case, role, *DocumentKind):
            yield from _values(paper)


def _values(value: object) -> Iterator[tuple[Kind, object]]:
    if isinstance(value, tuple):
        for one in value:
            yield from _values(one)
    elif isinstance(value, Contract):
        marked = personal_fields(type(value))
        for name in type(value).model_fields:
            held = getattr(value, name)
            if name not in marked:
                yield from _values(held)
            elif held is not None and marked[name] in _WORDS:
                yield marked[name], held


def _spellings(kind: Kind, value: object) -> Iterator[str]:
    signs = _signs(str(value))
    yield signs
    if kind == "phone":
        yield signs[-_PHONE_DIGITS:]
    if isinstance(value, date):
        yield from (
            f"{value:%m%d%Y}",
            f"{value:%d%m%Y}",
            f"{value.month}{value.day}{value.year}",
            _signs(f"{value:%B} {value.day} {value.year}"),
        )


def _signs(text: str) -> str:
    return _NOT_A_SIGN.sub("", text).casefold()
