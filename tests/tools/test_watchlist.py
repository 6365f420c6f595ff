"""Screening finds listed people in every spelling, and a current list clears namesakes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data.contracts.application import ApplicantRole
from data.contracts.screening import WatchlistScreening, WatchlistStatus
from data.settings import Settings
from tools.watchlist import (
    Person,
    Watchlists,
    WatchlistUnavailableError,
    compare_with_lists,
    screen_watchlists,
)

SHIPPED = Watchlists.shipped(Path("data"))
AS_OF = date(2026, 11, 2)
BORN = date(1971, 5, 9)


def _screen(
    name: str, dob: date | None = BORN, lists: Watchlists = SHIPPED, country: str | None = None
) -> WatchlistScreening:
    return screen_watchlists(lists, (Person(name, dob, country),), AS_OF)


def _in(folder: Path, max_age_days: int | None = None) -> Watchlists:
    return replace(SHIPPED, folders=(folder,), max_age_days=max_age_days)


def _file(
    folder: Path, *entries: dict[str, Any], list_date: str = "2026-10-26", name: str = "test"
) -> Watchlists:
    """A folder with a list of these entries."""
    listed = {"name": name, "list_date": list_date, "entries": list(entries)}
    (folder / f"{name}.json").write_text(json.dumps(listed))
    return _in(folder)


def _entry(
    *names: str, aliases: tuple[str, ...] = (), dobs: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "entry_id": f"T-{names[0].split()[0]}",
        "names": names,
        "aliases": aliases,
        "dobs": dobs,
        "programme": "TEST",
    }


def test_a_listed_name_with_the_listed_date_of_birth_is_a_true_match() -> None:
    screening = _screen("Sam Sanction")

    assert screening.status is WatchlistStatus.TRUE_MATCH
    assert [candidate.entry_id for candidate in screening.candidates] == ["SYN-0001"]
    assert screening.candidates[0].dob_agrees is True
    assert screening.list_name == "synthetic-sanctions"
    assert screening.list_date == date(2026, 10, 26)
    assert len(screening.list_version) == 64


@pytest.mark.parametrize(
    "name", ["SANCTION, Sam", "sàm sanction", "Samuel Sanktion", "Sam SANCTION Jr."]
)
def test_order_case_accents_and_aliases_do_not_hide_a_listed_person(name: str) -> None:
    assert _screen(name).status is WatchlistStatus.TRUE_MATCH


@pytest.mark.parametrize("name", ["Sam Sancton", "Sam Xavier Sanction", "Samm Sanction"])
def test_a_misspelled_name_is_a_potential_match(name: str) -> None:
    assert _screen(name).status is WatchlistStatus.POTENTIAL


def test_first_and_last_of_four_names_are_found() -> None:
    screening = _screen("Ignacio Lobo", date(1972, 6, 1))

    assert screening.status is WatchlistStatus.POTENTIAL
    assert screening.candidates[0].entry_id == "SYN-0011"


@pytest.mark.parametrize(
    ("dob", "status"),
    [
        (date(1972, 5, 9), WatchlistStatus.POTENTIAL),
        (date(1970, 5, 9), WatchlistStatus.POTENTIAL),
        (date(1972, 5, 11), WatchlistStatus.CLEAR),
        (date(1991, 5, 9), WatchlistStatus.CLEAR),
        (None, WatchlistStatus.POTENTIAL),
    ],
)
def test_the_date_of_birth_clears_a_namesake(dob: date | None, status: WatchlistStatus) -> None:
    screening = _screen("Sam Sanction", dob)

    assert screening.status is status
    assert len(screening.candidates) == 1, "the cleared namesake stays in the record"


def test_an_entry_without_a_date_of_birth_cannot_be_cleared_by_it() -> None:
    screening = _screen("Nadezhda Sablukova", date(1990, 1, 1))

    assert screening.status is WatchlistStatus.POTENTIAL
    assert screening.candidates[0].dob_agrees is None


@pytest.mark.parametrize(
    "name", ["Ada Prime", "Sam Smith", "Maria Lopez", "Wei Chen", "John Q. Public", "Sam", "🙂"]
)
def test_ordinary_names_match_no_listed_person(name: str) -> None:
    screening = _screen(name)

    assert screening.status is WatchlistStatus.CLEAR
    assert screening.candidates == ()


def test_a_listed_name_of_one_word_matches_only_the_same_whole_name(tmp_path: Path) -> None:
    lists = _file(tmp_path, _entry("Salim"))

    assert _screen("Salim Okafor", lists=lists).status is WatchlistStatus.CLEAR
    assert _screen("Salim", lists=lists).status is WatchlistStatus.POTENTIAL


def test_both_people_of_a_joint_application_are_screened() -> None:
    screening = screen_watchlists(
        SHIPPED,
        (
            Person("Ada Prime", date(1984, 6, 17)),
            Person("Sam Sanction", BORN, role=ApplicantRole.CO),
        ),
        AS_OF,
    )

    assert screening.status is WatchlistStatus.TRUE_MATCH
    assert screening.candidates[0].applicant is ApplicantRole.CO


def test_a_list_is_too_old_after_seven_days(tmp_path: Path) -> None:
    lists = _file(tmp_path, _entry("Salim Adar"), list_date="2026-10-25")
    with pytest.raises(WatchlistUnavailableError, match="8 days old, more than 7"):
        _screen("Ada Prime", lists=lists)

    _file(tmp_path, _entry("Salim Adar"), list_date="2026-10-26")
    assert _screen("Ada Prime", lists=lists).status is WatchlistStatus.CLEAR


def test_only_the_synthetic_list_may_be_ninety_days_old(tmp_path: Path) -> None:
    made = {"list_date": "2026-08-04", "name": "synthetic-sanctions"}
    lists = _file(tmp_path, _entry("Salim Adar"), **made)
    assert _screen("Ada Prime", lists=lists).status is WatchlistStatus.CLEAR

    with pytest.raises(WatchlistUnavailableError, match="90 days old, more than 30"):
        _screen("Ada Prime", lists=_in(tmp_path, max_age_days=30))
    _file(tmp_path, _entry("Salim Adar"), **(made | {"list_date": "2026-08-03"}))
    with pytest.raises(WatchlistUnavailableError, match="91 days old, more than 90"):
        _screen("Ada Prime", lists=lists)


def test_one_old_list_beside_a_current_one_clears_no_applicant(tmp_path: Path) -> None:
    _file(tmp_path, _entry("Salim Adar"), name="first")
    lists = _file(tmp_path, _entry("Ada Prime"), name="second", list_date="2026-01-01")

    with pytest.raises(WatchlistUnavailableError, match="second is 305 days old"):
        _screen("Ada Prime", lists=lists)


def test_a_folder_that_the_setting_names_and_that_is_missing_clears_no_applicant(
    tmp_path: Path,
) -> None:
    named = Settings(home=tmp_path, watchlist_dir=tmp_path / "lists")

    with pytest.raises(WatchlistUnavailableError, match="WATCHLIST_DIR names is missing"):
        _screen("Ada Prime", lists=Watchlists.of(named))
    (tmp_path / "lists").mkdir()
    assert _screen("Ada Prime", lists=Watchlists.of(named)).status is WatchlistStatus.CLEAR


def test_the_folder_of_a_desk_that_has_imported_no_list_may_be_missing(tmp_path: Path) -> None:
    lists = Watchlists.of(Settings(home=tmp_path))

    assert _screen("Ada Prime", lists=lists).status is WatchlistStatus.CLEAR


def test_a_folder_is_named_from_the_home_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Settings(watchlist_dir=Path("~/lists")).imported_watchlists == tmp_path / "lists"


def test_no_list_is_read_again_because_there_are_many(tmp_path: Path) -> None:
    for number in range(12):
        lists = _file(tmp_path, _entry("Salim Adar"), name=f"list-{number:02}")

    first, again = lists.current(AS_OF), lists.current(AS_OF)

    assert len(first) == 12
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_several_lists_are_screened_side_by_side(tmp_path: Path) -> None:
    _file(tmp_path, _entry("Salim Adar"), name="first")
    lists = _file(tmp_path, _entry("Salim Adar"), name="second")

    screening = _screen("Salim Adar", lists=lists)

    assert [candidate.source for candidate in screening.candidates] == ["first", "second"]
    assert screening.editions == "first/2026-10-26 second/2026-10-26"


def test_an_empty_list_clears_no_applicant(tmp_path: Path) -> None:
    with pytest.raises(WatchlistUnavailableError, match="no entries"):
        _screen("Ada Prime", lists=_file(tmp_path))


def test_a_missing_list_clears_no_applicant(tmp_path: Path) -> None:
    with pytest.raises(WatchlistUnavailableError, match="no watchlist") as refused:
        _screen("Ada Prime", lists=_in(tmp_path))

    assert refused.value.tool == "screen_watchlists"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}'])
def test_a_broken_list_clears_no_applicant(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)

    with pytest.raises(WatchlistUnavailableError):
        _screen("Ada Prime", lists=_in(tmp_path))


def test_a_list_is_read_once_and_again_when_it_changes(tmp_path: Path) -> None:
    lists = _file(tmp_path, _entry("Salim Adar"))
    (first,) = lists.current(AS_OF)
    assert lists.current(AS_OF) == (first,)

    _file(tmp_path, _entry("Salim Adar"), _entry("Ada Prime"))
    os.utime(tmp_path / "test.json", ns=(1, 1))

    assert _screen("Ada Prime", lists=lists).status is WatchlistStatus.POTENTIAL
    assert lists.current(AS_OF)[0].watchlist.version != first.watchlist.version


@pytest.mark.parametrize(
    ("born", "dob", "status"),
    [
        (("1962-01-01", "1962-12-31"), date(1962, 7, 1), WatchlistStatus.POTENTIAL),
        (("1962-01-01", "1962-12-31"), date(1963, 12, 30), WatchlistStatus.POTENTIAL),
        (("1962-01-01", "1962-12-31"), date(1964, 1, 2), WatchlistStatus.CLEAR),
        (("1960-01-01", "1965-12-31"), date(1958, 12, 30), WatchlistStatus.CLEAR),
        (("1960-01-01", "1965-12-31"), date(1963, 1, 1), WatchlistStatus.POTENTIAL),
    ],
)
def test_a_year_or_a_range_of_birth_clears_a_namesake_who_is_far_from_it(
    tmp_path: Path, born: tuple[str, str], dob: date, status: WatchlistStatus
) -> None:
    entry = _entry("Salim Adar") | {"born": [{"first": born[0], "last": born[1]}]}

    assert _screen("Salim Adar", dob, _file(tmp_path, entry)).status is status


def test_a_candidate_says_why_it_is_one(tmp_path: Path) -> None:
    lists = _file(tmp_path, _entry("Robert Adar", dobs=("1971-05-09",)) | {"countries": ["IR"]})

    [found] = _screen("Bob Adarr", date(1971, 6, 1), lists, country="IR").candidates

    assert found.why == ("same_sound", "short_form", "dob_near", "country_agrees")


def test_another_country_alone_clears_no_applicant(tmp_path: Path) -> None:
    lists = _file(tmp_path, _entry("Salim Adar", dobs=("1971-05-09",)) | {"countries": ["IR"]})

    screening = _screen("Salim Adar", lists=lists, country="US")

    assert screening.status is WatchlistStatus.TRUE_MATCH
    assert screening.candidates[0].why == ("same_words", "dob_equal", "country_differs")


def test_a_person_whose_name_is_part_of_a_company_is_no_match(tmp_path: Path) -> None:
    lists = _file(tmp_path, _entry("Carlos Adar Trading Company") | {"kind": "entity"})

    assert _screen("Carlos Adar", lists=lists).status is WatchlistStatus.CLEAR
    assert _screen("Adar Carlos Trading Company", lists=lists).status is WatchlistStatus.POTENTIAL


def test_a_candidate_has_the_details_of_the_list() -> None:
    screening = _screen("Samuel Sanktion", date(1971, 7, 1))

    [candidate] = compare_with_lists(SHIPPED, screening, {ApplicantRole.PRIMARY: date(1971, 7, 1)})

    assert candidate.entry is not None
    assert candidate.entry.names == ("Sam Sanction",)
    assert (candidate.entry.dobs, candidate.entry.programme) == ((BORN,), "CYBER")
    assert (candidate.list_name, candidate.list_has_changed) == ("synthetic-sanctions", False)
    assert (candidate.dob_agrees, candidate.dob_is_equal) == (True, False)


def test_an_equal_date_of_birth_is_said_to_be_equal() -> None:
    [candidate] = compare_with_lists(
        SHIPPED, _screen("Sam Sanction"), {ApplicantRole.PRIMARY: BORN}
    )

    assert (candidate.dob_agrees, candidate.dob_is_equal) == (True, True)


def test_a_list_that_changed_since_the_screening_is_marked(tmp_path: Path) -> None:
    lists = _file(tmp_path, _entry("Salim Adar"))
    screening = _screen("Salim Adar", lists=lists)
    dobs = {ApplicantRole.PRIMARY: BORN}

    _file(tmp_path, _entry("Ada Prime"))
    os.utime(tmp_path / "test.json", ns=(1, 1))
    [struck_off] = compare_with_lists(lists, screening, dobs)
    (tmp_path / "test.json").unlink()
    [unknown] = compare_with_lists(lists, screening, dobs)

    assert (struck_off.entry, struck_off.list_has_changed) == (None, True)
    assert (unknown.entry, unknown.list_has_changed) == (None, True)
