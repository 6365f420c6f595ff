"""Screening finds listed people in every spelling, and a current list clears namesakes."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data.contracts.application import ApplicantRole
from data.contracts.findings import WatchlistScreening, WatchlistStatus
from tools.watchlist import (
    WatchlistUnavailableError,
    compare_with_list,
    load_watchlist,
    screen_watchlist,
)

SANCTIONS = Path("data/watchlists/sanctions.json")
AS_OF = date(2026, 11, 2)
BORN = date(1971, 5, 9)


def _screen(name: str, dob: date | None = BORN, path: Path = SANCTIONS) -> WatchlistScreening:
    return screen_watchlist(path, ((ApplicantRole.PRIMARY, name, dob),), AS_OF, 90)


def _file(folder: Path, *entries: dict[str, Any], list_date: str = "2026-10-26") -> Path:
    path = folder / "list.json"
    path.write_text(json.dumps({"name": "test", "list_date": list_date, "entries": list(entries)}))
    return path


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
    path = _file(tmp_path, _entry("Salim"))

    assert _screen("Salim Okafor", path=path).status is WatchlistStatus.CLEAR
    assert _screen("Salim", path=path).status is WatchlistStatus.POTENTIAL


def test_the_thresholds_are_the_measured_ones(tmp_path: Path) -> None:
    # 17 of 20 letters in common make 85.0 by the letters, and no whole word in common.
    path = _file(tmp_path, _entry("abcdefghi jklmnopqrs"))

    at = _screen("abcdefghi jklmnopxyz", path=path)
    below = _screen("abcdefghi jklmnowxyz", path=path)

    assert (at.status, str(at.candidates[0].score)) == (WatchlistStatus.POTENTIAL, "85")
    assert below.status is WatchlistStatus.CLEAR


def test_both_people_of_a_joint_application_are_screened() -> None:
    screening = screen_watchlist(
        SANCTIONS,
        (
            (ApplicantRole.PRIMARY, "Ada Prime", date(1984, 6, 17)),
            (ApplicantRole.CO, "Sam Sanction", BORN),
        ),
        AS_OF,
        90,
    )

    assert screening.status is WatchlistStatus.TRUE_MATCH
    assert screening.candidates[0].applicant is ApplicantRole.CO


def test_an_old_list_clears_no_applicant(tmp_path: Path) -> None:
    path = _file(tmp_path, _entry("Salim Adar"), list_date="2026-08-03")
    with pytest.raises(WatchlistUnavailableError, match="91 days old"):
        _screen("Ada Prime", path=path)

    path = _file(tmp_path, _entry("Salim Adar"), list_date="2026-08-04")
    assert _screen("Ada Prime", path=path).status is WatchlistStatus.CLEAR


def test_an_empty_list_clears_no_applicant(tmp_path: Path) -> None:
    with pytest.raises(WatchlistUnavailableError, match="no entries"):
        _screen("Ada Prime", path=_file(tmp_path))


def test_a_missing_list_clears_no_applicant(tmp_path: Path) -> None:
    with pytest.raises(WatchlistUnavailableError, match=r"gone\.json is missing") as refused:
        _screen("Ada Prime", path=tmp_path / "gone.json")

    assert refused.value.tool == "screen_watchlist"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}'])
def test_a_broken_list_clears_no_applicant(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)

    with pytest.raises(WatchlistUnavailableError):
        _screen("Ada Prime", path=path)


def test_a_list_is_read_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path = _file(tmp_path, _entry("Salim Adar"))
    first = load_watchlist(path, AS_OF, 90)
    assert load_watchlist(path, AS_OF, 90) is first

    _file(tmp_path, _entry("Salim Adar"), _entry("Ada Prime"))
    os.utime(path, ns=(1, 1))

    assert _screen("Ada Prime", path=path).status is WatchlistStatus.POTENTIAL
    assert load_watchlist(path, AS_OF, 90).watchlist.version != first.watchlist.version


def test_a_candidate_has_the_details_of_the_list() -> None:
    screening = _screen("Samuel Sanktion", date(1971, 7, 1))

    [candidate] = compare_with_list(SANCTIONS, screening, {ApplicantRole.PRIMARY: date(1971, 7, 1)})

    assert candidate.entry is not None
    assert candidate.entry.names == ("Sam Sanction",)
    assert (candidate.entry.dobs, candidate.entry.programme) == ((BORN,), "CYBER")
    assert (candidate.list_name, candidate.list_has_changed) == ("synthetic-sanctions", False)
    assert (candidate.dob_agrees, candidate.dob_is_equal) == (True, False)


def test_an_equal_date_of_birth_is_said_to_be_equal() -> None:
    [candidate] = compare_with_list(
        SANCTIONS, _screen("Sam Sanction"), {ApplicantRole.PRIMARY: BORN}
    )

    assert (candidate.dob_agrees, candidate.dob_is_equal) == (True, True)


def test_a_list_that_changed_since_the_screening_is_marked(tmp_path: Path) -> None:
    path = _file(tmp_path, _entry("Salim Adar"))
    screening = _screen("Salim Adar", path=path)
    dobs = {ApplicantRole.PRIMARY: BORN}

    _file(tmp_path, _entry("Ada Prime"))
    os.utime(path, ns=(1, 1))
    [struck_off] = compare_with_list(path, screening, dobs)
    path.unlink()
    [unknown] = compare_with_list(path, screening, dobs)

    assert (struck_off.entry, struck_off.list_has_changed) == (None, True)
    assert (unknown.entry, unknown.list_has_changed) == (None, True)
