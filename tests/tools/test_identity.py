"""Checks of identity documents, and their comparison with the applicant."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from data.contracts.application import Address, Applicant, Employment, EmploymentStatus
from data.contracts.documents import DocumentKind, IdentityDocument
from data.contracts.findings import (
    IdentityDocumentStatus,
    IdentityMatch,
    IdentityStatus,
    MatchLevel,
)
from tools.identity import identity_status, match_identity, verify_identity_document
from tools.mrz import check_digit, mrz_agrees
from tools.names import likeness, name_tokens, same_person_by_name
from tools.postal import postal_code_fits_state
from tools.street_address import address_likeness

AS_OF = date(2026, 11, 2)
SPECIMEN = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
"""The passport printed in ICAO document 9303, part 4."""


def _agrees(
    lines: tuple[str, ...],
    dob: date,
    expiry: date,
    *,
    number: str = "L898902C3",
    name: str = "Anna Maria Eriksson",
) -> bool:
    return mrz_agrees(lines, name, number, dob, expiry)


def _address(line1: str = "77 North Elm Street", **differs: Any) -> Address:
    found = {"line1": line1, "city": "Springfield", "state": "IL", "postal_code": "62704"}
    return Address.model_validate(found | differs)


def _applicant(**differs: Any) -> Applicant:
    found: dict[str, Any] = {
        "first_name": "José",
        "last_name": "O'Neill-Núñez",
        "dob": date(1980, 3, 4),
        "ssn": "516-24-3907",
        "addresses": (_address(),),
        "employment": Employment(
            status=EmploymentStatus.EMPLOYED, gross_monthly_stated=Decimal("4000.00")
        ),
    }
    return Applicant(**(found | differs))


def _document(**differs: Any) -> IdentityDocument:
    found: dict[str, Any] = {
        "number": "N123",
        "full_name": "ONEILL NUNEZ JOSE",
        "dob": date(1980, 3, 4),
        "address": _address("77 N. Elm St."),
        "issuer": "IL",
        "issue_date": date(2024, 5, 1),
        "expiry_date": date(2028, 5, 1),
    }
    return IdentityDocument(**(found | differs))


def _matched(last4: str | None = None, **differs: Any) -> IdentityMatch:
    return match_identity(
        _applicant(), _document(**differs), IdentityDocumentStatus.VALID, "licence", last4
    )


@pytest.mark.parametrize(
    ("expiry", "status"),
    [
        (date(2026, 11, 1), IdentityDocumentStatus.EXPIRED),
        (date(2026, 11, 2), IdentityDocumentStatus.VALID),
        (date(2026, 9, 23), IdentityDocumentStatus.EXPIRED),
    ],
)
def test_a_licence_expired_at_the_as_of_date_is_not_accepted(
    expiry: date, status: IdentityDocumentStatus
) -> None:
    assert verify_identity_document(_document(expiry_date=expiry), AS_OF) is status


@pytest.mark.parametrize(
    "differs",
    [
        {"issue_date": date(2026, 11, 3)},
        {"issue_date": date(2028, 5, 1)},
        {"tamper_score": Decimal("0.5")},
        {"mrz": SPECIMEN},
        {"mrz": ("short",)},
    ],
)
def test_a_document_that_cannot_be_true_is_tampered_with(differs: dict[str, Any]) -> None:
    judged = verify_identity_document(_document(**differs), AS_OF)

    assert judged is IdentityDocumentStatus.TAMPERED


def test_a_low_tamper_score_is_no_accusation() -> None:
    document = _document(tamper_score=Decimal("0.49"))

    assert verify_identity_document(document, AS_OF) is IdentityDocumentStatus.VALID


@pytest.mark.parametrize(
    ("text", "digit"),
    [("L898902C3", 6), ("740812", 2), ("120415", 9), ("ZE184226B<<<<<", 1), ("520727", 3)],
)
def test_check_digits_are_those_of_the_standard(text: str, digit: int) -> None:
    assert check_digit(text) == digit


def test_the_specimen_passport_is_consistent() -> None:
    assert _agrees(SPECIMEN, date(1974, 8, 12), date(2012, 4, 15))


@pytest.mark.parametrize("place", range(44))
def test_any_changed_digit_of_the_second_line_is_noticed(place: int) -> None:
    line = SPECIMEN[1]
    if not line[place].isdigit():
        changed = line[:place] + "?" + line[place + 1 :]
    else:
        changed = line[:place] + str((int(line[place]) + 1) % 10) + line[place + 1 :]

    unchecked = range(10, 13), range(20, 21)  # nationality and sex carry no check digit
    noticed = not _agrees((SPECIMEN[0], changed), date(1974, 8, 12), date(2012, 4, 15))
    assert noticed == all(place not in part for part in unchecked)


def _with_optional(field: str, digit: str) -> str:
    """The second line of the specimen with another optional field and its check digit."""
    line = SPECIMEN[1][:28] + field + digit
    return line + str(check_digit(line[0:10] + line[13:20] + line[21:43]))


@pytest.mark.parametrize(
    ("field", "digit", "consistent"),
    [
        ("<" * 14, "<", True),
        ("<" * 14, "0", True),
        ("<" * 14, "1", False),
        ("ZE184226B<<<<<", "1", True),
        ("5<<<<<<<<<<<<<", "<", False),
        ("0<<<<<<<<<<<<<", "<", False),
    ],
)
def test_only_an_empty_optional_field_goes_without_a_check_digit(
    field: str, digit: str, consistent: bool
) -> None:
    lines = (SPECIMEN[0], _with_optional(field, digit))

    assert _agrees(lines, date(1974, 8, 12), date(2012, 4, 15)) == consistent


def test_a_filler_is_no_check_digit_of_number_dates_or_line() -> None:
    """Fields whose check digit is 0: the filler counts as 0, and does not stand in its place."""
    born = expires = date(2000, 1, 27)
    whole = f"{'0' * 10}UTO0001270F0001270{'<' * 15}0"
    assert _agrees((SPECIMEN[0], whole), born, expires, number="000000000")

    for place in (9, 19, 27, 43):
        without = whole[:place] + "<" + whole[place + 1 :]
        assert not _agrees((SPECIMEN[0], without), born, expires, number="000000000")


def test_the_zone_must_agree_with_the_printed_dates() -> None:
    assert not _agrees(SPECIMEN, date(1974, 8, 13), date(2012, 4, 15))
    assert not _agrees(SPECIMEN, date(1974, 8, 12), date(2012, 4, 16))


@pytest.mark.parametrize(
    ("differs", "agrees"),
    [
        ({}, True),
        ({"name": "ERIKSSON, Anna-Maria"}, True),
        ({"name": "Anna M. Eriksson"}, True),
        ({"name": "Carla Weatherby"}, False),
        ({"name": "Anna Svensson"}, False),
        ({"number": "l898902c3"}, True),
        ({"number": "L898902C4"}, False),
    ],
)
def test_the_zone_must_agree_with_the_printed_name_and_number(
    differs: dict[str, str], agrees: bool
) -> None:
    assert _agrees(SPECIMEN, date(1974, 8, 12), date(2012, 4, 15), **differs) == agrees


CARD = (
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
)
"""The identity card printed in ICAO document 9303, part 5."""

LONG_NUMBER = (
    "I<UTOD23145890<7349<<<<<<<<<<<",
    "3407127M9507122UTO<<<<<<<<<<<2",
    "STEVENSON<<PETER<JOHN<<<<<<<<<",
)
"""The card of that part whose number has more than nine signs."""


def test_the_specimen_card_agrees_with_its_page() -> None:
    born, expires = date(1974, 8, 12), date(2012, 4, 15)

    assert _agrees(CARD, born, expires, number="D23145890")
    assert not _agrees(CARD, born, expires, number="D23145891")
    assert not _agrees(CARD, date(1974, 8, 13), expires, number="D23145890")
    assert not _agrees(CARD, born, expires, number="D23145890", name="Carla Weatherby")


def test_a_long_number_of_a_card_goes_on_in_the_optional_field() -> None:
    born, expires, name = date(1934, 7, 12), date(1995, 7, 12), "Peter John Stevenson"

    assert _agrees(LONG_NUMBER, born, expires, number="D23145890734", name=name)
    assert not _agrees(LONG_NUMBER, born, expires, number="D23145890", name=name)


@pytest.mark.parametrize(("row", "place"), [(0, 7), (0, 14), (1, 2), (1, 10), (1, 29)])
def test_any_changed_digit_of_a_card_is_noticed(row: int, place: int) -> None:
    line = CARD[row]
    changed = line[:place] + str((int(line[place]) + 1) % 10) + line[place + 1 :]
    lines = tuple(changed if number == row else same for number, same in enumerate(CARD))

    assert not _agrees(lines, date(1974, 8, 12), date(2012, 4, 15), number="D23145890")


def test_a_name_that_is_cut_in_the_zone_agrees_with_the_whole_name() -> None:
    cut = ("I<UTOD231458907<<<<<<<<<<<<<<<", CARD[1], "PAPANDROPOULOUS<<JONATHON<ALEX")

    whole = "Jonathon Alexander Papandropoulous"
    born, expires = date(1974, 8, 12), date(2012, 4, 15)
    assert _agrees(cut, born, expires, number="D23145890", name=whole)
    assert not _agrees(cut, born, expires, number="D23145890", name="Jonathon Alexander Wong")


def test_letters_are_those_that_a_zone_has_for_them() -> None:
    for printed, zone in (
        ("Jørgen Müller", "MUELLER JOERGEN"),
        ("Åse Weiß", "WEISS AASE"),
        ("Þóra Ægirsdóttir", "AEGIRSDOTTIR THORA"),
        ("Paweł Đokić", "DOKIC PAWEL"),
        ("Işıl Yılmaz", "YILMAZ ISIL"),
    ):
        assert likeness(printed, zone).equal, printed


def test_a_passport_without_a_zone_is_no_proof_by_itself() -> None:
    judged = verify_identity_document(_document(), AS_OF, DocumentKind.PASSPORT)

    assert judged is IdentityDocumentStatus.UNSUPPORTED
    assert identity_status((match_identity(_applicant(), _document(), judged),)) is (
        IdentityStatus.PARTIAL
    )


def test_accents_apostrophes_hyphens_and_order_do_not_matter() -> None:
    match = _matched()

    assert match.name.level is MatchLevel.EXACT
    assert match.dob.level is MatchLevel.EXACT
    assert match.address.level is MatchLevel.EXACT
    assert match.ssn.level is MatchLevel.NOT_CHECKED
    assert identity_status((match,)) is IdentityStatus.VERIFIED


@pytest.mark.parametrize(
    ("shown", "level"),
    [
        ("Jose Maria Oneill Nunez", MatchLevel.CLOSE),
        ("Jose Oneil Nunez", MatchLevel.CLOSE),
        ("Mr. Jose Oneill Nunez Jr", MatchLevel.EXACT),
        ("Carla Weatherby", MatchLevel.NONE),
        ("Jose", MatchLevel.NONE),
    ],
)
def test_how_near_two_names_are(shown: str, level: MatchLevel) -> None:
    assert _matched(full_name=shown).name.level is level


def test_a_name_of_one_word_in_another_script_matches_itself_only() -> None:
    assert same_person_by_name("王小明", "王小明")
    assert not same_person_by_name("王小明", "محمد")
    assert name_tokens("Łukasz  ÅNGSTRÖM") == name_tokens("angstrom ŁUKASZ")


def test_a_name_without_letters_matches_no_name() -> None:
    assert likeness("🙂", "🙂").score == 0.0


@pytest.mark.parametrize(
    ("shown", "level", "status"),
    [
        (date(1980, 4, 3), MatchLevel.CLOSE, IdentityStatus.PARTIAL),
        (date(1980, 3, 5), MatchLevel.NONE, IdentityStatus.FAILED),
    ],
)
def test_another_date_of_birth_is_not_forgiven(
    shown: date, level: MatchLevel, status: IdentityStatus
) -> None:
    match = _matched(dob=shown)

    assert match.dob.level is level
    assert identity_status((match,)) is status


def test_a_document_that_still_shows_the_last_address_is_enough() -> None:
    moved = _applicant(addresses=(_address("9 New Road"), _address()))

    match = match_identity(moved, _document(), IdentityDocumentStatus.VALID)

    assert match.address.level is MatchLevel.EXACT


def test_a_document_with_a_strange_address_is_only_half_a_proof() -> None:
    match = _matched(address=_address("1 Elsewhere Plaza"))

    assert match.address.level is MatchLevel.NONE
    assert identity_status((match,)) is IdentityStatus.PARTIAL


@pytest.mark.parametrize(
    ("last4", "level", "status"),
    [
        ("3907", MatchLevel.EXACT, IdentityStatus.VERIFIED),
        ("3908", MatchLevel.NONE, IdentityStatus.FAILED),
    ],
)
def test_a_bureau_file_under_another_number_contradicts_the_person(
    last4: str, level: MatchLevel, status: IdentityStatus
) -> None:
    match = _matched(last4)

    assert match.ssn.level is level
    assert identity_status((match,)) is status


@pytest.mark.parametrize(
    ("document_status", "status"),
    [
        (IdentityDocumentStatus.EXPIRED, IdentityStatus.PARTIAL),
        (IdentityDocumentStatus.TAMPERED, IdentityStatus.FAILED),
        (IdentityDocumentStatus.MISSING, IdentityStatus.PARTIAL),
    ],
)
def test_the_state_of_the_document_limits_what_it_proves(
    document_status: IdentityDocumentStatus, status: IdentityStatus
) -> None:
    document = None if document_status is IdentityDocumentStatus.MISSING else _document()
    match = match_identity(_applicant(), document, document_status)

    assert identity_status((match,)) is status
    assert identity_status((_matched(), match)) is status


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("PO Box 12", True),
        ("P.O. Box 9", True),
        ("Post Office Box 4", True),
        ("12 Box Elder", False),
    ],
)
def test_a_post_office_box_is_not_a_residence(line: str, box: bool) -> None:
    assert _address(line).is_street != box


@pytest.mark.parametrize(
    ("state", "code", "fits"),
    [
        ("IL", "62704", True),
        ("CA", "62704", False),
        ("CA", "94103", True),
        ("NY", "00501", True),
        ("AE", "09012", True),
        ("AE", "09899", True),
        ("AE", "09901", False),
        ("AE", "62704", False),
        ("AA", "34002", True),
        ("AA", "34101", False),
        ("AP", "96201", True),
        ("AP", "96699", True),
        ("AP", "96701", False),
        ("FM", "96941", True),
        ("FM", "96944-0001", True),
        ("FM", "96960", False),
        ("MH", "96960", True),
        ("MH", "96970", True),
        ("MH", "96965", False),
        ("PW", "96939", True),
        ("PW", "96940", True),
        ("PW", "96941", False),
        ("PR", "00601", True),
        ("PR", "00901", True),
        ("PR", "00802", False),
        ("VI", "00802", True),
        ("GU", "96910", True),
        ("MP", "96950", True),
        ("AS", "96799", True),
        ("XX", "62704", False),
    ],
)
def test_a_zip_code_belongs_to_a_state(state: str, code: str, fits: bool) -> None:
    assert postal_code_fits_state(_address(state=state, postal_code=code)) == fits


def test_the_same_street_in_another_town_is_another_address() -> None:
    assert address_likeness(_address(), _address(postal_code="62705")) == 0
    assert address_likeness(_address(), _address(postal_code="62704-1234")) == 100


@pytest.mark.parametrize(
    ("stated", "shown", "same"),
    [
        ("410 Alder Street Apt 5", "410 Alder St #5", True),
        ("410 Alder Street Apt 5", "410 ALDER ST UNIT 5", True),
        ("410 Alder Street, Apartment 5-B", "410 Alder St Apt # 5b", True),
        ("410 Alder Street Apt 5", "410 Alder Street 5", True),
        ("410 Alder Street Apt 5", "411 Alder Street Apt 6", False),
        ("410 Alder Street Apt 5", "410 Alder Street Apt 6", False),
        ("410 Alder Street Apt 5", "411 Alder Street Apt 5", False),
        ("410 Alder Street Apt 5", "410 Alder Street", False),
        ("410 Alder Street Fl 2", "410 Alder Street Apt 2", False),
        ("410 Alder Street", "410 Alder Court", False),
        ("410 N Alder Street", "410 South Alder St", False),
        ("410 5th Avenue", "410 Fifth Ave", True),
        ("410 5th Avenue", "410 6th Avenue", False),
        ("410 Alder Street", "410 Adler Street", True),
        ("410 Alder Street", "410 Washington Street", False),
        ("410 1/2 Alder Street", "410 Alder Street", False),
    ],
)
def test_house_number_and_unit_are_compared_exactly(stated: str, shown: str, same: bool) -> None:
    found = match_identity(
        _applicant(addresses=(_address(stated),)),
        _document(address=_address(shown)),
        IdentityDocumentStatus.VALID,
    )

    status = IdentityStatus.VERIFIED if same else IdentityStatus.PARTIAL
    assert identity_status((found,)) is status
