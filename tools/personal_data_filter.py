"""Finds personal data of a case in a text that a user writes.

The desk stores the reason that a reviewer types at a gate. Names, logs and URLs show the ids that
a caller chooses. The desk refuses such a text when it repeats personal data of the case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from functools import cache
from itertools import pairwise
from typing import NamedTuple, get_args

from pydantic import BaseModel

from data.contracts.base import Contract
from data.contracts.case import CaseFile
from data.contracts.errors import ContractViolationError, Problem
from data.contracts.personal import Kind, personal_fields, without_extension
from data.contracts.ssn import has_shape_of_ssn
from tools.documents import DocumentUnusableError, content_of
from tools.street_address import street_address

_LABELS: dict[Kind, str] = {
    "ssn": "tax number",
    "account": "account or document number",
    "dob": "date of birth",
    "phone": "telephone number",
    "email": "mail address",
    "street": "street",
}
"""The kinds that the filter looks for, with their names in errors. Names of people are allowed."""

_SHORTEST = 6
"""The least number of characters of a value. Shorter values occur by chance."""
_PHONE_DIGITS = 10
"""The digits of a telephone number without the country code, which writers often omit."""

_SEPARATORS = re.compile(r"[\W_]+")

_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTHS = {
    spelling: number
    for number, name in enumerate(_MONTH_NAMES, start=1)
    for spelling in (name, name[:3])
} | {"sept": 9}
_SPANISH_MONTHS = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio"),
    *("agosto", "septiembre", "octubre", "noviembre", "diciembre"),
)
_MONTHS |= {name: number for number, name in enumerate(_SPANISH_MONTHS, start=1)}

_SIX_DIGITS = re.compile(r"(?<![\w.,])\d{6}(?!\w|[.,]\d)")
"""A date as machines write it, and no part of an amount or of a longer number."""
_PART = re.compile(r"\d+|[^\W\d]+")
_IGNORED = re.compile(r"_|(?<=\d)(?:st|nd|rd|th)|\b(?:of|the|de|del)\b")
"""Text between the parts of a date that carries no meaning: `the 17th of June`."""

_MISREAD = str.maketrans("oil", "011")
"""Letters that scanners read for digits."""

_Reading = tuple[str, int, int]
"""A date as a text gives it: a year of four or two digits, a month and a day."""


class _DateFormat(NamedTuple):
    """One accepted way to write a date."""

    month_is_name: bool
    year_digits: int
    separators: frozenset[str] | None = None
    """The separators, of which the text must use the same one twice; None allows all texts."""

    def read(self, written: Mapping[str, str], separators: set[str]) -> _Reading | None:
        """The date in the parts `year`, `month` and `day`; None when this format does not fit."""
        year, month, day = written["year"], written["month"], written["day"]
        if self.separators is not None and not (
            len(separators) == 1 and separators <= self.separators
        ):
            return None
        if not (year.isdecimal() and len(year) == self.year_digits):
            return None
        if not (day.isdecimal() and len(day) <= 2):
            return None
        if self.month_is_name:
            number = _MONTHS.get(month, 0)
        else:
            number = int(month) if month.isdecimal() and len(month) <= 2 else 0
        return (year, number, int(day)) if number else None


_ORDERS = (
    ("year", "month", "day"),
    ("year", "day", "month"),
    ("month", "day", "year"),
    ("day", "month", "year"),
)

_DATE_FORMATS = (
    _DateFormat(month_is_name=True, year_digits=4),  # June 17, 1984
    _DateFormat(month_is_name=True, year_digits=2),  # 17 Jun 84
    _DateFormat(month_is_name=False, year_digits=4),  # 1984-06-17
    _DateFormat(month_is_name=False, year_digits=2, separators=frozenset("/.-")),  # 06/17/84
)
"""The accepted formats, each in every order. A short year with a numeric month needs the same
separator twice: `6.17%, 84 months` is no date."""


class PersonalDataFilter:
    """The personal data of one case, to find it in texts. Do not store this object."""

    def __init__(self, case: CaseFile) -> None:
        self._withheld: dict[str, Kind] = {}
        self._birthdays: set[_Reading] = set()
        self._short_birthdays: set[str] = set()
        for kind, value in _values_in_file(case):
            if isinstance(value, date):
                years = (f"{value.year}", f"{value:%y}")
                self._birthdays.update((year, value.month, value.day) for year in years)
                self._short_birthdays |= {f"{value:%y%m%d}", f"{value:%m%d%y}", f"{value:%d%m%y}"}
            for spelling in _spellings(kind, value):
                if len(spelling) >= _SHORTEST:
                    self._withheld[spelling] = kind

    def find(self, text: str) -> str | None:
        """The kind of personal data in a text, such as `tax number`; None when there is none.

        Spaces, punctuation, capital letters and the script of digits make no difference. Dates
        are found in every format of `_DATE_FORMATS`. Every tax number counts, also the number of
        another person.
        """
        plain = _plain(text)
        joined = _SEPARATORS.sub("", plain)
        digits = joined.translate(_MISREAD)
        repeated = next(
            (
                kind
                for value, kind in self._withheld.items()
                if value in (digits if value.isdecimal() else joined)
            ),
            None,
        )
        if repeated is None and not (
            self._birthdays.isdisjoint(_dates_in(plain))
            and self._short_birthdays.isdisjoint(_SIX_DIGITS.findall(plain))
        ):
            repeated = "dob"
        if repeated is None and has_shape_of_ssn(plain):
            repeated = "ssn"
        return None if repeated is None else _LABELS[repeated]


def require_no_personal_data(case: CaseFile, texts: Mapping[str, str]) -> None:
    """Raise ContractViolationError when a text contains personal data of the case.

    `texts` maps the JSON pointer of each field to its text.
    """
    withheld = PersonalDataFilter(case)
    problems = [
        Problem(pointer, "personal_data", f"leave out the {repeated}: other people read this text")
        for pointer, text in texts.items()
        if (repeated := withheld.find(text))
    ]
    if problems:
        raise ContractViolationError(f"{problems[0].pointer}: {problems[0].message}", problems)


def _values_in_file(case: CaseFile) -> Iterator[tuple[Kind, object]]:
    """The personal values of the application, the reports, and every readable document."""
    yield from _values(case)
    for document in case.documents:
        # Not `read_document`: its span would name the document whose id the desk may refuse.
        with suppress(DocumentUnusableError):
            yield from _values(content_of(document))


def _values(value: object) -> Iterator[tuple[Kind, object]]:
    if isinstance(value, tuple):
        for item in value:
            yield from _values(item)
    elif isinstance(value, Contract):
        for name, kind in _fields_to_read(type(value)):
            held = getattr(value, name)
            if kind is None:
                yield from _values(held)
            elif held is not None:
                yield kind, held


@cache
def _fields_to_read(contract: type[BaseModel]) -> tuple[tuple[str, Kind | None], ...]:
    """The personal fields of a contract with their kinds, and fields that lead to some (None).

    Most of a case is accounts and payments without personal data, and every submission is read.
    """
    marked = personal_fields(contract)
    return tuple(
        (name, marked.get(name))
        for name, field in contract.model_fields.items()
        if (
            marked[name] in _LABELS
            if name in marked
            else any(map(_fields_to_read, _contracts_in(field.annotation)))
        )
    )


def _contracts_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _contracts_in(part)


def _spellings(kind: Kind, value: object) -> Iterator[str]:
    joined = _SEPARATORS.sub("", _plain(str(value)))
    yield joined
    if kind == "phone":
        yield _SEPARATORS.sub("", without_extension(str(value)))[-_PHONE_DIGITS:]
    if kind == "street" and (street := street_address(_plain(str(value)))).house and street.name:
        yield _SEPARATORS.sub("", street.house + street.name)  # `410 Alder St` for `… Street`
    if isinstance(value, date):
        yield from (f"{value:%m%d%Y}", f"{value:%d%m%Y}")


def _dates_in(text: str) -> Iterator[_Reading]:
    """Every date that three neighbouring parts of a text can mean in an accepted format."""
    cleaned = _IGNORED.sub(" ", text)
    parts = list(_PART.finditer(cleaned))
    for three in zip(parts, parts[1:], parts[2:], strict=False):
        start, end = three[0].start(), three[2].end()
        if cleaned[max(start - 1, 0) : start].isalnum() or cleaned[end : end + 1].isalnum():
            continue  # a part of a longer word, such as the 17 of R17
        separators = {cleaned[left.end() : right.start()] for left, right in pairwise(three)}
        for order in _ORDERS:
            written = dict(zip(order, (part[0] for part in three), strict=True))
            for accepted in _DATE_FORMATS:
                if (found := accepted.read(written, separators)) is not None:
                    yield found


def _plain(text: str) -> str:
    """The normal form of a text: lower case, with ASCII digits, without invisible characters."""
    if text.isascii():
        return text.lower()
    same = unicodedata.normalize("NFKC", text).casefold()
    visible = (letter for letter in same if unicodedata.category(letter) != "Cf")
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in visible)
