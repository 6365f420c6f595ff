"""What people write about a case, held against what is personal in the case.

A reason that somebody types at a gate is kept in the record, and an id that somebody chooses
stands in names, logs and addresses. Both can do without the applicant's tax number; what repeats
it is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from itertools import pairwise, permutations

from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.errors import ContractViolationError, Problem
from data.contracts.personal import Kind, personal_fields
from data.contracts.ssn import has_shape_of_ssn
from tools.documents import DocumentUnusableError, paper_in

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

_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTHS = {
    spelling: number
    for number, name in enumerate(_MONTH_NAMES, start=1)
    for spelling in (name, name[:3])
} | {"sept": 9}

_PART = re.compile(r"\d+|[^\W\d]+")
_BESIDE_A_PART = re.compile(r"_|(?<=\d)(?:st|nd|rd|th)|\b(?:of|the)\b")
"""What people write between the parts of a date."""

_Reading = tuple[str, int, int]
"""A date as somebody wrote it: a year of four digits or of two, a month and a day."""


class PersonalDataFilter:
    """What may not be repeated about one case. Hold as long as needed, and never store it."""

    def __init__(self, case: CaseFile) -> None:
        self._withheld: dict[str, Kind] = {}
        self._birthdays: set[_Reading] = set()
        for kind, value in _values_in_file(case):
            if isinstance(value, date):
                years = (f"{value.year}", f"{value:%y}")
                self._birthdays.update((year, value.month, value.day) for year in years)
            for spelling in _spellings(kind, value):
                if len(spelling) >= _SHORTEST:
                    self._withheld[spelling] = kind

    def find(self, text: str) -> str | None:
        """What a text repeats, in words such as `tax number`; None for a text that may stand.

        Gaps, capitals and the forms of digits make no difference, nor does the way in which a
        date is written. Of tax numbers none is let through, whoever's it may be.
        """
        plain = _plain(text)
        signs = _NOT_A_SIGN.sub("", plain)
        repeated = next((kind for value, kind in self._withheld.items() if value in signs), None)
        if repeated is None and not self._birthdays.isdisjoint(_dates_in(plain)):
            repeated = "dob"
        if repeated is None and has_shape_of_ssn(plain):
            repeated = "ssn"
        return None if repeated is None else _WORDS[repeated]


def require_no_personal_data(case: CaseFile, told: Mapping[str, str]) -> None:
    """Raise ContractViolationError when any of these texts, by pointer, tells what is personal."""
    withheld = PersonalDataFilter(case)
    problems = [
        Problem(pointer, "personal_data", f"leave out the {repeated}: this is repeated to others")
        for pointer, text in told.items()
        if (repeated := withheld.find(text))
    ]
    if problems:
        raise ContractViolationError(f"{problems[0].pointer}: {problems[0].message}", problems)


def _values_in_file(case: CaseFile) -> Iterator[tuple[Kind, object]]:
    """Of the application, of what services said, and of every paper that can be read."""
    yield from _values(case)
    for document in case.documents:
        with suppress(DocumentUnusableError):  # not as a tool: a span would name what is refused
            yield from _values(paper_in(document))


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


def _dates_in(text: str) -> Iterator[_Reading]:
    """Every date that three neighbouring parts of a text can be read as, the year at either end.

    A year of two digits counts beside the name of a month, or where `/`, `.` or `-` parts all
    three: a rate before a number of months is no date.
    """
    told = _BESIDE_A_PART.sub(" ", text)
    parts = list(_PART.finditer(told))
    for three in zip(parts, parts[1:], parts[2:], strict=False):
        start, end = three[0].start(), three[2].end()
        if told[max(start - 1, 0) : start].isalnum() or told[end : end + 1].isalnum():
            continue  # of a longer word, as the 17 of R17 is
        first, second, third = (part[0] for part in three)
        gaps = {told[one.end() : other.start()] for one, other in pairwise(three)}
        short = bool(_MONTHS.keys() & {first, second, third}) or gaps in ({"/"}, {"."}, {"-"})
        for year, *others in ((first, second, third), (third, first, second)):
            if year.isdecimal() and len(year) in ({2, 4} if short else {4}):
                for month, day in permutations(others):
                    if (number := _month(month)) and day.isdecimal() and len(day) <= 2:
                        yield year, number, int(day)


def _month(part: str) -> int | None:
    """The number of a month, given by name or by number."""
    return int(part) if part.isdecimal() and len(part) <= 2 else _MONTHS.get(part)


def _plain(text: str) -> str:
    """In the one form that all spellings of a text share, digits of all scripts included."""
    same = unicodedata.normalize("NFKC", text).casefold()
    seen = (sign for sign in same if unicodedata.category(sign) != "Cf")
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in seen)
