"""A text may name a person, but must not repeat data that identifies the person."""

from __future__ import annotations

from datetime import date

import pytest

from data.contracts.case import CaseFile
from data.contracts.errors import ContractViolationError
from data.settings import Settings
from tools.case_files import load_case
from tools.personal_data_filter import PersonalDataFilter, require_no_personal_data


@pytest.fixture(scope="module")
def bora() -> PersonalDataFilter:
    return PersonalDataFilter(load_case(Settings().data_dir, "bora-borderline"))


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
        ("born Jun 17 1984", "date of birth"),
        ("born 17 June 1984", "date of birth"),
        ("born on the 17th of June, 1984", "date of birth"),
        ("born 06/17/84", "date of birth"),
        ("born 17.6.84", "date of birth"),
        ("born 17-6-84", "date of birth"),
        ("born 17 Jun 84", "date of birth"),
        ("born 17jun1984", "date of birth"),
        ("born June the 17th 1984", "date of birth"),
        ("born 1984 June 17th", "date of birth"),
        ("born 6_17_1984", "date of birth"),
        ("born 1984, 6.17", "date of birth"),
        ("born 19840617", "date of birth"),
        ("born 84/06/17", "date of birth"),
        ("born 84.17.6", "date of birth"),
        ("born 84 Jun 17", "date of birth"),
        ("born 84, 17 June", "date of birth"),
        ("born 1984, 17 6", "date of birth"),
        ("born \uff10\uff16/\uff11\uff17/\uff11\uff19\uff18\uff14", "date of birth"),
        ("SSN \uff15\uff12\uff19\uff0d\uff17\uff13\uff0d\uff17\uff16\uff13\uff17", "tax number"),
        ("SSN \u0665\u0662\u0669\u0667\u0663\u0667\u0666\u0663\u0667", "tax number"),
        ("SSN 529\u200b-73\u200b-7637", "tax number"),
        ("SSN 529/73/7637", "tax number"),
        ("SSN 529 73/7637", "tax number"),
        ("her husband's is 531-40-9207", "tax number"),
        ("her husband's is 531 - 40 - 9207", "tax number"),
        ("her husband's is 531-10-9207", "tax number"),
        ("her husband's is 531 40 9207.", "tax number"),
        ("her husband's is 531409207", "tax number"),
        ("born 840617", "date of birth"),
        ("nacida el 17 de junio de 1984", "date of birth"),
        ("called 2l7 555 O137", "telephone number"),
        ("born 061784.", "date of birth"),
        ("lives at 410 Alder St", "street"),
        ("lives at 410, ALDER STR.", "street"),
    ],
)
def test_personal_data_is_found(bora: PersonalDataFilter, text: str, repeats: str) -> None:
    assert bora.find(text) == repeats


@pytest.mark.parametrize(
    "text",
    [
        "Bora Borderline has been with Prairie Freight Cooperative for eight years",
        "account ending in 7367, 7637 seen",
        "12,000.00 over 48 months at 12.99 %",
        "born in 1984",
        "in June 1984, or on 06/18/84",
        "$61784 or 61,784.00 in all",
        "PD 0.123456789, seen on 2026-11-02 at 14:05:00",
        "the same as partner-100000001 and IMG_100000001",
        "call the branch: 217 555 0100",
        "ZIP 62704-1234",
        "FICO 640 10/2026, tenure 4 years",
        "Late 250 03/2024, cured since",
        "Rent 950 12.2025 confirmed",
        "664/36/9000",
        "statement-001-10-2026",
        "R17 6/1984, cured since",
        "6.17%, 84 months",
        "17.6, 84 days",
        "in June 1984, 17 payments",
        "6/17-84 and 84 6/17",
        "",
    ],
)
def test_a_text_without_personal_data_is_allowed(bora: PersonalDataFilter, text: str) -> None:
    assert bora.find(text) is None


@pytest.mark.parametrize(
    ("born", "text"),
    [
        (date(1990, 1, 2), "with the employer since 12/1990"),
        (date(1990, 1, 2), "with the employer since 1990-12"),
        (date(1990, 1, 2), "DTI 1.2, 90 days"),
        (date(1988, 3, 6), "DTI 36 1988"),
        (date(1988, 3, 6), "3.6%, 88 months"),
    ],
)
def test_numbers_that_are_no_date_of_birth_are_allowed(born: date, text: str) -> None:
    case = load_case(Settings().data_dir, "bora-borderline")
    written = case.model_dump_json().replace("1984-06-17", born.isoformat())
    personal_data = PersonalDataFilter(CaseFile.model_validate_json(written))

    assert personal_data.find(text) is None
    assert personal_data.find(f"born {born:%m/%d/%y}") == "date of birth"


def test_a_telephone_number_is_found_with_and_without_its_extension() -> None:
    content = load_case(Settings().data_dir, "bora-borderline").model_dump(mode="json")
    content["application"]["applicants"][0]["phone"] = "(217) 555-0137 x45"
    personal_data = PersonalDataFilter(CaseFile.model_validate(content))

    assert personal_data.find("called 217 555 0137") == "telephone number"
    assert personal_data.find("called 217-555-0137 x45") == "telephone number"


def test_a_document_that_cannot_be_read_is_skipped() -> None:
    cora = PersonalDataFilter(load_case(Settings().data_dir, "cora-corrupt"))

    assert cora.find("the statement is corrupt") is None


def test_fields_with_personal_data_are_named_without_their_text() -> None:
    case = load_case(Settings().data_dir, "bora-borderline")
    texts = {"/reviewer": "u-1", "/note": "born 1984-06-17", "/as": "copy-of-529-73-7637"}

    with pytest.raises(ContractViolationError) as refused:
        require_no_personal_data(case, texts)

    assert [found.pointer for found in refused.value.problems] == ["/note", "/as"]
    assert "1984" not in str(refused.value)
    assert "529" not in str(refused.value)
