"""Reads the list of Specially Designated Nationals as the US Treasury publishes it.

Three files without a header: SDN.CSV (one line an entry), ALT.CSV (other names) and ADD.CSV
(addresses). `-0-` stands for an empty field. Dates of birth and nationalities are sentences in the
remarks of SDN.CSV. The Treasury describes the files under "SDN List data formats and schemas" at
https://ofac.treasury.gov.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import ValidationError

from data.contracts.base import canonical_json
from data.contracts.errors import ContractViolationError
from data.contracts.watchlist import BirthRange, EntryKind, Watchlist, WatchlistEntry
from tools.countries import country_code
from tools.partial_dates import exact_day, range_of_days

_EMPTY = "-0-"
_END_OF_FILE = "\x1a"
_SDN_COLUMNS, _ALT_COLUMNS, _ADD_COLUMNS = 12, 5, 6

_KINDS = {kind.value: kind for kind in EntryKind}
_BORN = re.compile(r"\bDOB\s+([^;.]+)", re.IGNORECASE)
_NATION = re.compile(r"\b(?:nationality|citizen)\s+(?:of\s+)?([^;.]+)", re.IGNORECASE)
_WEAK_ALIAS = re.compile(r"a\.k\.a\.\s+[\"'“]([^\"”]+?)[\"'”](?=[;.,)]|$)", re.IGNORECASE)


def read_sdn_list(
    name: str, list_date: date, sdn: bytes, alt: bytes = b"", add: bytes = b""
) -> Watchlist:
    """The entries of the published files, with all names, dates of birth and countries.

    The id of an entry is `sdn-` and the Treasury's `ent_num`. Raises ContractViolationError, which
    names file and line, when a file is not of the published form or has no entries.
    """
    aliases: dict[str, list[str]] = defaultdict(list)
    for _, row in _rows(alt, "ALT.CSV", _ALT_COLUMNS):
        if row[3]:
            aliases[row[0]].append(row[3])
    places: dict[str, list[str]] = defaultdict(list)
    for _, row in _rows(add, "ADD.CSV", _ADD_COLUMNS):
        places[row[0]].append(row[4])
    try:
        entries = tuple(
            _entry(row, aliases[row[0]], places[row[0]])
            for _, row in _rows(sdn, "SDN.CSV", _SDN_COLUMNS)
        )
        watchlist = Watchlist(name=name, list_date=list_date, entries=entries)
    except ValidationError as error:
        raise ContractViolationError.of("the list", error) from None
    _refuse_useless(watchlist)
    return watchlist


def store_watchlist(watchlist: Watchlist, folder: Path) -> Path:
    """Write a list in place of its last edition. A reader sees the old or the new one, whole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{watchlist.name}.json"
    with NamedTemporaryFile(dir=folder, suffix=".new", delete=False) as written:
        written.write(canonical_json(watchlist))
    Path(written.name).replace(path)
    return path


def _entry(row: Sequence[str], aliases: list[str], places: list[str]) -> WatchlistEntry:
    number, name, kind, programme = row[:4]
    remarks = row[11]
    born = [text.strip() for text in _BORN.findall(remarks)]
    nations = [text.strip() for text in _NATION.findall(remarks)]
    ranges = [span for text in born if not exact_day(text) and (span := range_of_days(text))]
    return WatchlistEntry(
        entry_id=f"sdn-{number}",
        names=(name,),
        aliases=tuple(dict.fromkeys([*aliases, *_WEAK_ALIAS.findall(remarks)])),
        dobs=tuple(dict.fromkeys(day for text in born if (day := exact_day(text)))),
        born=tuple(BirthRange(first=first, last=last) for first, last in dict.fromkeys(ranges)),
        countries=tuple(
            dict.fromkeys(code for place in (*nations, *places) if (code := country_code(place)))
        ),
        kind=_KINDS.get(kind.casefold(), EntryKind.ENTITY),
        programme=programme.replace("] [", ", ").strip("[] "),
    )


def _rows(content: bytes, file: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file with their numbers, ids first; empty fields are empty texts."""
    for line, row in _parsed(content, file):
        cells = ["" if cell.strip() == _EMPTY else " ".join(cell.split()) for cell in row]
        if len(cells) != columns or not cells[0].isdigit():
            raise ContractViolationError(
                f"{file}, line {line}: not {columns} columns with a number first"
            )
        if file == "SDN.CSV" and not cells[1]:
            raise ContractViolationError(f"{file}, line {line}: SDN_Name is empty")
        yield line, cells


def _parsed(content: bytes, file: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, with the numbers of the lines in which they end.

    A quote that is not closed would take the next entries into one cell, so it is refused.
    """
    text = _decoded(content).rstrip(_END_OF_FILE + "\r\n ")
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise ContractViolationError(f"{file}, line {reader.line_num}: {error}") from None


def _decoded(content: bytes) -> str:
    """The Treasury has published UTF-8 and the code page of Windows."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _refuse_useless(watchlist: Watchlist) -> None:
    if not watchlist.entries:
        raise ContractViolationError("SDN.CSV has no entries")
    if len({entry.entry_id for entry in watchlist.entries}) != len(watchlist.entries):
        raise ContractViolationError("SDN.CSV has an ent_num twice")
