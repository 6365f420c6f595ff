"""The Treasury's files are read as published, and a file of another form is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from data.contracts.errors import ContractViolationError
from data.contracts.watchlist import BirthRange, EntryKind, Watchlist, WatchlistEntry
from tools.countries import country_code
from tools.partial_dates import exact_day, range_of_days
from tools.watchlist_import import read_sdn_list, store_watchlist

DAY = date(2026, 11, 20)
NONE = ",".join(["-0- "] * 7)
SDN = (
    f'36,"AEROCARIBBEAN AIRLINES",-0- ,"CUBA",{NONE},-0- \r\n'
    f'2674,"ABBAS, Abu","individual","SDGT] [NS-PLC",{NONE},'
    "\"DOB 10 Dec 1948; alt. DOB circa 1950; nationality Iran; a.k.a. 'ABU KHALED'.\"\r\n"
    f'4691,"LIAKHAVETS, Vital","individual","BELARUS",{NONE},"DOB 1962 to 1964; Gender Male."\r\n'
    f'9001,"MUÑOZ PÉREZ, José","individual","SDNTK",{NONE},"DOB Oct 1974; citizen Mexico."\r\n'
    f'6000,"EBONY STAR","vessel","CUBA","-0- ",{NONE[5:]},-0- \r\n'
    "\x1a"
)
ALT = '2674,12,"aka","ZAYDAN, Muhammad",-0- \r\n2674,13,"fka","-0- ",-0- \r\n'
ADD = '2674,25,-0- ,"Baghdad","Iraq",-0- \r\n'


def _read(sdn: str = SDN, alt: str = ALT, add: str = ADD, encoding: str = "utf-8") -> Watchlist:
    files = (text.encode(encoding) for text in (sdn, alt, add))
    return read_sdn_list("ofac-sdn", DAY, *files)


def _entry(number: int) -> WatchlistEntry:
    return next(entry for entry in _read().entries if entry.entry_id == f"sdn-{number}")


def test_an_entry_has_all_names_dates_and_countries_of_the_three_files() -> None:
    assert _entry(2674) == WatchlistEntry(
        entry_id="sdn-2674",
        names=("ABBAS, Abu",),
        aliases=("ZAYDAN, Muhammad", "ABU KHALED"),
        dobs=(date(1948, 12, 10),),
        born=(BirthRange(first=date(1949, 1, 1), last=date(1951, 12, 31)),),
        countries=("IR", "IQ"),
        programme="SDGT, NS-PLC",
    )


def test_an_empty_field_is_no_text() -> None:
    airline = _entry(36)

    assert airline == WatchlistEntry(
        entry_id="sdn-36",
        names=("AEROCARIBBEAN AIRLINES",),
        kind=EntryKind.ENTITY,
        programme="CUBA",
    )
    assert _entry(6000).kind is EntryKind.VESSEL


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_letters_with_accents_arrive_in_every_published_encoding(encoding: str) -> None:
    assert _read(encoding=encoding).entries[3].names == ("MUÑOZ PÉREZ, José",)


@pytest.mark.parametrize(
    ("sdn", "message"),
    [
        ("", "SDN.CSV has no entries"),
        ("\x1a", "SDN.CSV has no entries"),
        ('ent_num,"SDN_Name"\r\n', "SDN.CSV, line 1: not 12 columns"),
        (f'1,-0- ,"individual","CUBA",{NONE},-0- \r\n', "line 1: SDN_Name is empty"),
        (SDN.replace("36,", "2674,", 1), "ent_num twice"),
        (SDN.replace('Abu"', "Abu", 1), "SDN.CSV, line [23]"),
        (SDN.replace('"individual"', '"individual', 1), "SDN.CSV, line [23]"),
        (SDN.replace('Gender Male."', "Gender Male."), "SDN.CSV, line [34]"),
        (SDN.replace('"CUBA"', '"CUBA","CUBA"', 1), "line 1: not 12 columns"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_line(sdn: str, message: str) -> None:
    with pytest.raises(ContractViolationError, match=message):
        _read(sdn=sdn)


@pytest.mark.parametrize(
    "text", ['2674,12,"aka","ZAYDAN, Muhammad,-0- \r\n', ALT.strip() + ",1\r\n"]
)
def test_a_file_of_other_names_that_would_lose_one_is_refused(text: str) -> None:
    with pytest.raises(ContractViolationError, match=r"ALT.CSV, line [12]"):
        _read(alt=text)


def test_a_new_edition_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    store_watchlist(_read(), tmp_path / "lists")
    path = store_watchlist(_read(alt=""), tmp_path / "lists")

    assert [file.name for file in path.parent.iterdir()] == ["ofac-sdn.json"]
    assert Watchlist.model_validate_json(path.read_bytes()) == _read(alt="")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10 Dec 1948", "1948-12-10", "1948-12-10"),
        ("1948-12-10", "1948-12-10", "1948-12-10"),
        ("Feb 1972", "1972-02-01", "1972-02-29"),
        ("Dec 1972", "1972-12-01", "1972-12-31"),
        ("1957", "1957-01-01", "1957-12-31"),
        ("circa 1957", "1956-01-01", "1958-12-31"),
        ("1962 to 1964", "1962-01-01", "1964-12-31"),
        ("1962-1964", "1962-01-01", "1964-12-31"),
        ("between 1962 and 1964", "1962-01-01", "1964-12-31"),
        ("01 Jan 1960 to 31 Mar 1961", "1960-01-01", "1961-03-31"),
    ],
)
def test_a_date_of_birth_stands_for_its_first_and_last_day(
    text: str, first: str, last: str
) -> None:
    assert range_of_days(text) == (date.fromisoformat(first), date.fromisoformat(last))
    assert (exact_day(text) is not None) == (first == last)


@pytest.mark.parametrize("text", ["", "unknown", "31 Feb 1970", "10 Foo 1970"])
def test_a_text_without_a_day_gives_none(text: str) -> None:
    assert (range_of_days(text), exact_day(text)) == (None, None)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Iran", "IR"),
        ("Korea, North", "KP"),
        ("Congo, Democratic Republic of the", "CD"),
        ("Cote d'Ivoire", "CI"),
        ("Burma", "MM"),
        ("mx", "MX"),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_a_country_is_known_by_the_name_that_lists_use(name: str, code: str | None) -> None:
    assert country_code(name) == code
