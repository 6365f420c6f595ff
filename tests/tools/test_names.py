"""One normal form of names, measured on labelled pairs and on people who are not listed."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from data.contracts.screening import WatchlistStatus
from data.contracts.watchlist import Watchlist, WatchlistEntry
from data.settings import Settings
from tools.names import likeness, same_person_by_name
from tools.watchlist import Person, Watchlists, screening_of
from tools.watchlist_index import ScreeningIndex

PAIRS = Path(__file__).with_name("name_pairs.csv")
"""Pairs of names of one person (`yes`) and of two (`no`), some of which the desk gets wrong."""

_FIRST = """
James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard
Susan Joseph Jessica Thomas Sarah Charles Karen Daniel Nancy Matthew Betty Anthony Sandra Mark
Ashley Donald Emily Samuel Kimberly Andrew Margaret Joshua Michelle Kenneth Carol Kevin Amanda
Jose Maria Juan Carlos Luis Ana Guadalupe Miguel Rosa Mohammed Ahmed Ali Fatima Omar Wei Li Min
Priya Raj Ivan Olga Dmitri Sergei Yusuf Hassan Ximena Joon-seo Mirela Patrice Farrukh Tarek
""".split()  # noqa: SIM905
_LAST = """
Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Wilson
Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez
Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson
Rivera Campbell Mitchell Gomez Turner Diaz Parker Cruz Reyes Morales Ortiz Kelly Ramos Kim Chavez
Patel Khan Hussain Chen Wang Petrov Ivanov Ibrahim Quintas Volkan Halimi Vester Arevalo Lobo
""".split()  # noqa: SIM905


def _labelled() -> list[dict[str, str]]:
    with PAIRS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _f1(pairs: list[dict[str, str]]) -> float:
    said = [same_person_by_name(pair["first"], pair["second"]) for pair in pairs]
    right = [pair["same"] == "yes" for pair in pairs]
    found = sum(one and other for one, other in zip(said, right, strict=True))
    return 2 * found / (sum(said) + sum(right))


@pytest.mark.parametrize("kind", ["latin", "transliterated", "joined", "other script", "all"])
def test_names_alone_tell_people_apart(kind: str) -> None:
    pairs = [pair for pair in _labelled() if kind in {pair["kind"], "all"}]

    assert len(pairs) >= 20
    assert _f1(pairs) >= 0.86


def test_the_index_of_a_list_finds_every_pair_that_the_comparison_finds() -> None:
    for pair in _labelled():
        for listed, sought in (("first", "second"), ("second", "first")):
            entry = WatchlistEntry(entry_id="T-1", names=(pair[listed],), programme="TEST")
            index = _index((entry,))
            found = bool(index.hits(pair[sought]))
            assert found == same_person_by_name(pair["first"], pair["second"]), pair


def test_people_who_are_not_listed_are_left_alone() -> None:
    random = Random(13)
    indexes = Watchlists.shipped(Settings().data_dir).current(date(2026, 11, 2))
    people = [
        Person(
            f"{random.choice(_FIRST)} {random.choice(_LAST)}",
            date(1945, 1, 1) + timedelta(days=random.randrange(60 * 365)),
        )
        for _ in range(4000)
    ]

    alerts = [
        person
        for person in people
        if screening_of(indexes, (person,)).status is not WatchlistStatus.CLEAR
    ]

    assert len(alerts) <= 0.002 * len(people), [person.name for person in alerts]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("Ada Prime", "PRIME, Ada", ("same_words",)),
        ("Bob Prime", "Robert Prime", ("short_form",)),
        ("Ada M Prime", "Ada Maria Prime", ("initial",)),
        ("Ada Prime", "Ada Maria Prime", ("words_left_out",)),
        ("Adaprime", "Ada Prime", ("joined",)),
        ("Ada Prime Jr", "Ada Prime Sr", ("other_suffix",)),
    ],
)
def test_a_comparison_says_what_differs(first: str, second: str, why: tuple[str, ...]) -> None:
    assert likeness(first, second).why == why


def _index(entries: tuple[WatchlistEntry, ...]) -> ScreeningIndex:
    return ScreeningIndex(Watchlist(name="test", list_date=date(2026, 11, 1), entries=entries))
