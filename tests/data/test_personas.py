"""The persona files equal their source, and all people in them are invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contracts.case import Persona
from data.contracts.watchlist import Watchlist
from data.synthetic.personas import PERSONAS, files, write

FOLDER = Path("data/synthetic")
SOURCE = files()


@pytest.mark.parametrize("name", sorted(SOURCE))
def test_a_file_is_what_its_source_writes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == SOURCE[name]


def test_there_is_no_file_without_a_source() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(SOURCE)


def test_writing_makes_the_same_files_anywhere(tmp_path: Path) -> None:
    write(tmp_path)

    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == SOURCE


def test_every_person_has_a_number_of_their_own() -> None:
    numbers = [
        applicant.ssn for describe in PERSONAS for applicant in describe().application.applicants
    ]

    assert len(numbers) == 26
    assert len(set(numbers)) == 26


@pytest.mark.parametrize("describe", PERSONAS, ids=lambda describe: describe.__name__)
def test_mail_addresses_and_telephone_numbers_are_invented(describe: object) -> None:
    assert callable(describe)
    persona: Persona = describe()

    for applicant in persona.application.applicants:
        assert applicant.email is not None
        assert applicant.email.endswith("@example.com")
        assert applicant.phone is not None
        assert " 555 01" in applicant.phone


def test_a_file_carries_the_slug_of_its_persona() -> None:
    assert {describe.__name__.replace("_", "-") for describe in PERSONAS} == {
        name.removesuffix(".json") for name in SOURCE
    }


def test_every_listed_person_has_an_id_of_their_own() -> None:
    watchlist = Watchlist.model_validate_json(Path("data/watchlists/sanctions.json").read_bytes())

    assert len(watchlist.entries) == 30
    assert len({entry.entry_id for entry in watchlist.entries}) == 30
