"""What people write about a case, held against what is personal in the case.

A reason that somebody types at a gate is kept in the record, and an id that somebody chooses
stands in names, logs and addresses. Both can do without the applicant's tax number; what repeats
it is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import permutations

from data.contracts.application import ApplicantRole
from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.documents import DocumentKind
from data.contracts.errors import ContractViolationError, Problem
from data.contracts.personal import Kind, personal_fields
from data.contracts.ssn import has_shape_of_ssn
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

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)


class Discretion:
    """What may not be repeated about one case. Hold as long as needed, and never store it."""

    def __init__(self, case: CaseFile) -> None:
        self._withheld: dict[str, Kind] = {}
        birthdays: set[date] = set()
        for kind, value in _values_in_file(case):
            if isinstance(value, date):
                birthdays.add(value)
            for spelling in _spellings(kind, value):
                if len(spelling) >= _SHORTEST:
                    self._withheld[spelling] = kind
        self._birthdays = [re.compile(_any_spelling(day)) for day in birthdays]

    def broken_by(self, text: str) -> str | None:
        """What a text repeats, in words such as `tax number`; None for a text that may stand.

        Gaps, capitals and the forms of digits make no difference, nor does the way in which a
        date is written. Of tax numbers none is let through, whoever's it may be.
        """
        plain = _plain(text)
        signs = _NOT_A_SIGN.sub("", plain)
        repeated = next((kind for value, kind in self._withheld.items() if value in signs), None)
        if repeated is None and any(birthday.search(plain) for birthday in self._birthdays):
            repeated = "dob"
        if repeated is None and has_shape_of_ssn(plain):
            repeated = "ssn"
        return None if repeated is None else _WORDS[repeated]


def require_discreet(case: CaseFile, told: Mapping[str, str]) -> None:
    """Raise ContractViolationError when any of these texts, by pointer, tells what is personal."""
    withheld = Discretion(case)
    problems = [
        Problem(pointer, "personal_data", f"leave out the {repeated}: this is repeated to others")
        for pointer, text in told.items()
        if (repeated := withheld.broken_by(text))
    ]
    if problems:
        raise ContractViolationError(f"{problems[0].pointer}: {problems[0].message}", problems)


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
    signs = _NOT_A_SIGN.sub("", _plain(str(value)))
    yield signs
    if kind == "phone":
        yield signs[-_PHONE_DIGITS:]
    if isinstance(value, date):
        yield from (f"{value:%m%d%Y}", f"{value:%d%m%Y}")


def _any_spelling(day: date) -> str:
    """A pattern of one date in any order; with a year of two digits only where gaps part it."""
    name = _MONTHS[day.month - 1]
    month = rf"(?:0?{day.month}|{name[:3]}(?:t|{name[3:]})?)"
    the_day = rf"0?{day.day}(?:st|nd|rd|th)?"
    orders = [
        gap.join(order)
        for year, gap in ((f"{day.year}", r"[\W_]*(?:of)?[\W_]*"), (f"{day:%y}", r"[\W_]{1,3}"))
        for order in permutations((month, the_day, year))
    ]
    return rf"(?<![a-z0-9])(?:{'|'.join(orders)})(?![a-z0-9])"


def _plain(text: str) -> str:
    """In the one form that all spellings of a text share, digits of all scripts included."""
    same = unicodedata.normalize("NFKC", text).casefold()
    seen = (sign for sign in same if unicodedata.category(sign) != "Cf")
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in seen)
