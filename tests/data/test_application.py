"""Valid applications, and impossible values that are refused by code, without the value."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data.contracts.application import Application
from data.contracts.errors import ContractViolationError
from data.contracts.ssn import issued_after_2011, normal_ssn
from tools.case_files import load_case

ADA: dict[str, Any] = load_case(Path("data"), "ada-prime").application.model_dump(mode="json")


def _with(pointer: str, value: object) -> dict[str, Any]:
    """Ada's application with one changed field."""
    changed = copy.deepcopy(ADA)
    *path, last = pointer.strip("/").split("/")
    place: Any = changed
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    return changed


def _problem(content: dict[str, Any]) -> tuple[str, str, str]:
    with pytest.raises(ValidationError) as refused:
        Application.model_validate(content)
    violation = ContractViolationError.of("application", refused.value)
    first = violation.problems[0]
    return first.pointer, first.code, str(violation)


def test_ada_is_accepted_as_she_is() -> None:
    application = Application.model_validate(ADA)

    assert application.amount_requested == Decimal("10000.00")
    assert application.primary.full_name == "Ada Prime"
    assert application.co_applicant is None


@pytest.mark.parametrize(
    "ssn",
    [
        "000-12-3456",
        "666-12-3456",
        "912-34-5678",
        "516-00-3456",
        "516-12-0000",
        "078-05-1120",
        "219-09-9999",
        "111-11-1111",
        "51612345",
        "516-123-456",
        "516 12 3456",
        "",
    ],
)
def test_an_impossible_number_is_refused_without_repeating_it(ssn: str) -> None:
    pointer, code, text = _problem(_with("/applicants/0/ssn", ssn))

    assert (pointer, code) == ("/applicants/0/ssn", "ssn_invalid")
    assert not ssn or ssn not in text


def test_a_number_without_dashes_is_the_same_number() -> None:
    application = Application.model_validate(_with("/applicants/0/ssn", "516243907"))

    assert application.primary.ssn == "516-24-3907"


def test_a_taxpayer_number_is_for_people_who_are_not_citizens() -> None:
    content = _with("/applicants/0/ssn", "912-70-1234")

    assert _problem(content)[:2] == ("/applicants/0/ssn", "ssn_invalid")
    content["applicants"][0]["residency"] = "visa"
    assert Application.model_validate(content).primary.ssn == "912-70-1234"


@pytest.mark.parametrize(
    ("group", "possible"),
    [
        (49, False),
        (50, True),
        (65, True),
        (66, False),
        (69, False),
        (70, True),
        (88, True),
        (89, False),
        (90, True),
        (92, True),
        (93, False),
        (94, True),
        (99, True),
    ],
)
def test_the_groups_of_taxpayer_numbers(group: int, possible: bool) -> None:
    assert (normal_ssn(f"912-{group}-1234") is not None) == possible


@pytest.mark.parametrize(
    ("ssn", "young"),
    [
        ("733-10-1234", False),
        ("734-10-1234", True),
        ("749-10-1234", True),
        ("750-10-1234", False),
        ("772-10-1234", False),
        ("773-10-1234", True),
        ("899-10-1234", True),
        ("516-10-1234", False),
    ],
)
def test_areas_that_were_first_used_in_2011(ssn: str, young: bool) -> None:
    assert issued_after_2011(ssn) == young


@pytest.mark.parametrize(
    ("pointer", "value", "at", "code"),
    [
        ("/amount_requested", "0.00", "/amount_requested", "greater_than"),
        ("/amount_requested", "-5.00", "/amount_requested", "greater_than"),
        ("/amount_requested", "12,000.00", "/amount_requested", "value_error"),
        ("/amount_requested", "1e4", "/amount_requested", "value_error"),
        ("/amount_requested", "NaN", "/amount_requested", "value_error"),
        ("/amount_requested", "100.005", "/amount_requested", "decimal_max_places"),
        ("/amount_requested", True, "/amount_requested", "value_error"),
        ("/term_months", 0, "/term_months", "greater_than_equal"),
        ("/term_months", "36", "/term_months", "int_type"),
        ("/state", "Illinois", "/state", "string_pattern_mismatch"),
        ("/applicants/0/dob", "2001-02-29", "/applicants/0/dob", "date_from_datetime_parsing"),
        ("/applicants/0/dob", "2027-01-01", "/applicants/0/dob", "dob_impossible"),
        ("/applicants/0/dob", "1905-11-01", "/applicants/0/dob", "dob_impossible"),
        (
            "/applicants/0/employment/start_date",
            "2027-01-01",
            "/applicants/0/employment/start_date",
            "employment_dates",
        ),
        (
            "/applicants/0/employment/start_date",
            "1970-01-01",
            "/applicants/0/employment/start_date",
            "employment_dates",
        ),
        (
            "/applicants/0/addresses/0/since",
            "2027-01-01",
            "/applicants/0/addresses/0/since",
            "address_dates",
        ),
        ("/applicants/0/last_name", "", "/applicants/0/last_name", "blank"),
        ("/applicants/0/last_name", "  ", "/applicants/0/last_name", "blank"),
        ("/applicants/0/last_name", "a\x07b", "/applicants/0/last_name", "control_character"),
        ("/applicants/0/last_name", "a\u202eb", "/applicants/0/last_name", "control_character"),
        ("/applicants/0/email", "no-address", "/applicants/0/email", "string_pattern_mismatch"),
        ("/applicants/0/addresses", [], "/applicants/0/addresses", "too_short"),
        ("/applicants", [], "/applicants", "too_short"),
        ("/as_of_date", "2026-11-01", "/as_of_date", "as_of_before_receipt"),
        ("/received_at", "2026-11-02T14:05:00", "/received_at", "timezone_aware"),
        ("/consent", None, "/consent", "consent_missing"),
        ("/consent/credit_pull_at", None, "/consent", "consent_missing"),
        ("/consent/credit_pull_at", "2026-11-03T12:00:00Z", "", "consent_missing"),
        ("/applicants/0/dob", 0, "/applicants/0/dob", "date_format"),
        ("/applicants/0/dob", "0", "/applicants/0/dob", "date_format"),
        ("/applicants/0/dob", "1984-06-17T00:00:00", "/applicants/0/dob", "date_format"),
        ("/as_of_date", 20261101, "/as_of_date", "date_format"),
        ("/as_of_date", "20261102", "/as_of_date", "date_format"),
        ("/as_of_date", True, "/as_of_date", "date_format"),
        ("/received_at", 1, "/received_at", "moment_format"),
        ("/received_at", "2026-11-02", "/received_at", "moment_format"),
        ("/received_at", "0001-01-01T00:00:00Z", "/received_at", "moment_range"),
        (
            "/consent/credit_pull_at",
            "9999-12-31T23:59:59Z",
            "/consent/credit_pull_at",
            "moment_range",
        ),
        ("/received_at", "2026-11-02 14:05:00Z", "/received_at", "moment_format"),
        ("/consent/credit_pull_at", 1, "/consent/credit_pull_at", "moment_format"),
        ("/consent/e_sign_at", "1", "/consent/e_sign_at", "moment_format"),
        ("/schema_version", True, "/schema_version", "int_type"),
        ("/schema_version", 1.0, "/schema_version", "int_type"),
        ("/applicants/0/religion", "any", "/applicants/0/religion", "extra_forbidden"),
        ("/application_id", "../etc/passwd", "/application_id", "string_pattern_mismatch"),
    ],
)
def test_the_impossible_is_refused_by_field_and_code(
    pointer: str, value: object, at: str, code: str
) -> None:
    assert _problem(_with(pointer, value))[:2] == (at, code)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("(217) 555-0123", "+1 217 555 0123"),
        ("+1 (217) 555-0123 x45", "+1 217 555 0123 x45"),
        ("217.555.0123 ext. 45", "+1 217 555 0123 x45"),
        ("217-555-0123  x45", "+1 217 555 0123 x45"),
        ("+1 217 555 0123 ", "+1 217 555 0123"),
        ("217-555-0123 Extension 45", "+1 217 555 0123 x45"),
        ("1-217-555-0123", "+1 217 555 0123"),
        ("2175550123", "+1 217 555 0123"),
        ("+1 217 555 0123", "+1 217 555 0123"),
        ("+49 30 1234567", "+49 30 1234567"),
    ],
)
def test_a_telephone_number_has_one_form(written: str, number: str) -> None:
    applicant = Application.model_validate(_with("/applicants/0/phone", written)).primary

    assert applicant.phone == number
    assert Application.model_validate(_with("/applicants/0/phone", number)).primary == applicant


@pytest.mark.parametrize(
    "written",
    ["", "555", "call me", "(217) 555-0123 x", "217-555-0123 x4567890", "２１７-555-0123"],
)
def test_what_is_no_telephone_number_is_refused(written: str) -> None:
    pointer, code, _ = _problem(_with("/applicants/0/phone", written))

    assert (pointer, code) == ("/applicants/0/phone", "string_pattern_mismatch")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("dob", "１９８４-06-17", "date_format"),
        ("ssn", "０００-70-3907", "ssn_invalid"),
        ("ssn", "５１６-24-3907", "ssn_invalid"),
        ("dependents", True, "int_type"),
        ("military_covered_borrower", 1, "bool_type"),
        ("military_covered_borrower", "yes", "bool_type"),
        ("housing_payment_monthly", "１２00.00", "value_error"),
        ("addresses/0/postal_code", "６２７０４", "string_pattern_mismatch"),
        ("addresses/0/postal_code", 62704, "string_type"),
    ],
)
def test_other_scripts_digits_and_other_types_are_refused(
    field: str, value: object, code: str
) -> None:
    pointer = f"/applicants/0/{field}"

    assert _problem(_with(pointer, value))[:2] == (pointer, code)


@pytest.mark.parametrize("written", ["2026-11-03T04:30:00Z", "2026-11-02T20:30:00-08:00"])
def test_instants_are_judged_by_their_day_where_the_applicant_lives(written: str) -> None:
    content = _with("/received_at", written)
    content["consent"]["credit_pull_at"] = written

    application = Application.model_validate(content)

    assert application.day_of(application.received_at) == application.as_of_date


@pytest.mark.parametrize("written", ["2026-11-03T10:30:00Z", "2026-11-03T02:30:00-08:00"])
def test_the_next_day_there_is_the_next_day(written: str) -> None:
    assert _problem(_with("/received_at", written))[:2] == ("/as_of_date", "as_of_before_receipt")
    assert _problem(_with("/consent/credit_pull_at", written))[:2] == ("", "consent_missing")


def test_an_application_without_any_consent_is_refused() -> None:
    content = copy.deepcopy(ADA)
    del content["consent"]

    assert _problem(content)[:2] == ("/consent", "consent_missing")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/amount_requested", "250000.00"),
        ("/term_months", 7),
        ("/state", "AK"),
        ("/applicants/0/dob", "2009-03-14"),
    ],
)
def test_possible_but_unwanted_values_are_left_to_the_policy(pointer: str, value: object) -> None:
    content = _with(pointer, value)
    content["applicants"][0]["employment"]["start_date"] = None

    assert Application.model_validate(content).application_id == "ada-prime"


@pytest.mark.parametrize(
    "name", ["Suharto", "O’Neill-Núñez", "王小明", "محمد", "Łukasz", "🙂", "x" * 300]
)
def test_names_of_every_script_and_length_are_accepted(name: str) -> None:
    content = _with("/applicants/0/last_name", name)
    content["applicants"][0]["first_name"] = ""

    assert Application.model_validate(content).primary.full_name == name


def _joint(**differs: object) -> dict[str, Any]:
    content = copy.deepcopy(ADA)
    second = copy.deepcopy(content["applicants"][0])
    second.update({"role": "co", "ssn": "517-31-4418", "first_name": "Bea"} | differs)
    content["applicants"].append(second)
    return content


def test_two_different_people_may_apply_together() -> None:
    application = Application.model_validate(_joint())

    assert application.co_applicant is not None
    assert application.co_applicant.first_name == "Bea"


@pytest.mark.parametrize(
    ("differs", "code"),
    [
        ({"ssn": "516-24-3907"}, "duplicate_applicant"),
        ({"first_name": "ADA"}, "duplicate_applicant"),
        ({"role": "primary"}, "applicant_roles"),
    ],
)
def test_the_same_person_may_not_apply_twice(differs: dict[str, object], code: str) -> None:
    assert _problem(_joint(**differs))[:2] == ("/applicants", code)


@pytest.mark.parametrize(
    ("day", "age"), [(date(2026, 6, 16), 41), (date(2026, 6, 17), 42), (date(2026, 12, 31), 42)]
)
def test_age_is_counted_in_completed_years(day: date, age: int) -> None:
    assert Application.model_validate(ADA).primary.age_on(day) == age


@pytest.mark.parametrize("field", ["application_id", "partner_id"])
@pytest.mark.parametrize(
    "chosen", ["531-40-9207", "531.40.9207", "531_40_9207", "531409207", "copy-of-531-40-9207"]
)
def test_no_id_may_have_the_shape_of_a_tax_number(field: str, chosen: str) -> None:
    assert _problem(ADA | {field: chosen})[:2] == (f"/{field}", "personal_id")


@pytest.mark.parametrize(
    "chosen", ["2026-11-22", "partner-100000001", "12345678", "1234567890", "a-12-34-5678"]
)
def test_numbers_of_another_shape_are_ids_like_any_other(chosen: str) -> None:
    assert Application.model_validate(ADA | {"application_id": chosen}).application_id == chosen
