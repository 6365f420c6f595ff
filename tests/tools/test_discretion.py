"""Discretion: a reason may speak of a person, and may not repeat what identifies them."""

from __future__ import annotations

import pytest

from data.settings import Settings
from tools.case_files import load_case
from tools.discretion import Discretion


@pytest.fixture(scope="module")
def bora() -> Discretion:
    return Discretion(load_case(Settings().data_dir, "bora-borderline"))


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("SSN 529-73-7637 was checked", "tax number"),
        ("ssn 529 73 7637", "tax number"),
        ("529737637", "tax number"),
        ("born 1984-06-17", "date of birth"),
        ("born 06/17/1984", "date of birth"),
        ("born 6/17/1984", "date of birth"),
        ("born June 17, 1984", "date of birth"),
        ("called 217-555-0137", "telephone number"),
        ("called +1 (217) 555 0137", "telephone number"),
        ("wrote to Bora.Borderline@example.com", "mail address"),
        ("lives at 410 ALDER STREET", "street"),
        ("licence B736737925 is fine", "account or document number"),
    ],
)
def test_what_identifies_a_person_may_not_be_repeated(
    bora: Discretion, text: str, repeats: str
) -> None:
    assert bora.broken_by(text) == repeats


@pytest.mark.parametrize(
    "text",
    [
        "Bora Borderline has been with Prairie Freight Cooperative for eight years",
        "account ending in 7367, 7637 seen",
        "12,000.00 over 48 months at 12.99 %",
        "born in 1984",
        "",
    ],
)
def test_what_a_ruling_rests_on_may_be_said(bora: Discretion, text: str) -> None:
    assert bora.broken_by(text) is None


def test_a_paper_that_cannot_be_read_withholds_nothing() -> None:
    cora = Discretion(load_case(Settings().data_dir, "cora-corrupt"))

    assert cora.broken_by("the statement is corrupt") is None
