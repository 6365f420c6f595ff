"""People to screen from a CSV file, and the result of a screening as JSON for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from data.contracts.errors import ContractViolationError
from tools.countries import country_code
from tools.watchlist import Person, screening_of
from tools.watchlist_index import ScreeningIndex

_COLUMNS = {"name", "dob", "country"}


@dataclass(frozen=True)
class InvalidPerson:
    """A line that cannot be screened."""

    problem: str
    """Names the column and the next step, and repeats no value."""


def people_in(content: bytes, file: str) -> Iterator[tuple[int, Person | InvalidPerson]]:
    """Every person of a CSV file with columns `name`, `dob` and `country`, with the line's number.

    `dob` and `country` may be empty or left out. Raises ContractViolationError when the file is not
    UTF-8 or has other columns.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ContractViolationError(f"{file} is not UTF-8: save it as UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns = set(reader.fieldnames or ())
    if "name" not in columns or columns - _COLUMNS:
        raise ContractViolationError(f"{file}: the first line has to name the columns name and dob")
    try:
        for row in reader:
            yield reader.line_num, _person(row)
    except csv.Error:
        raise ContractViolationError(f"{file}, line {reader.line_num}: not CSV") from None


def screened(indexes: tuple[ScreeningIndex, ...], person: Person) -> dict[str, Any]:
    """The result for one person: status, candidates with names, and the editions of the lists."""
    result = screening_of(indexes, (person,))
    entries = {index.watchlist.name: index.entries for index in indexes}
    return {
        "status": result.status.value,
        "candidates": [
            {
                "entry_id": found.entry_id,
                "list": found.source,
                "name": entries[found.source or ""][found.entry_id].names[0],
                "status": found.status.value,
                "score": float(found.score),
                "dob_agrees": found.dob_agrees,
                "why": list(found.why),
            }
            for found in result.candidates
        ],
        "lists": [edition.model_dump(mode="json") for edition in result.lists],
    }


def _person(row: dict[str | None, Any]) -> Person | InvalidPerson:
    if None in row or None in row.values():
        return InvalidPerson("the line has another number of cells than the first line")
    name, born = row["name"].strip(), (row.get("dob") or "").strip()
    place = (row.get("country") or "").strip()
    if not any(map(str.isalnum, name)):
        return InvalidPerson("name is empty")
    try:
        dob = date.fromisoformat(born) if born else None
    except ValueError:
        return InvalidPerson("dob is not a date: write it as 1971-05-09 or leave it empty")
    country = country_code(place) if place else None
    if place and country is None:
        return InvalidPerson("country is unknown: write two letters as in ISO 3166")
    return Person(name, dob, country)
