"""Marked personal data is never shown."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from data.contracts import (
    application,
    bureau,
    case,
    decision,
    documents,
    findings,
    fraud,
    policy,
    watchlist,
)
from data.contracts.application import Address, Applicant, Employment, EmploymentStatus
from data.contracts.base import Contract
from data.contracts.documents import BankStatement, Transaction
from data.contracts.personal import PersonalRecord, masked, personal_fields
from tools.case_files import case_ids, load_case

DATA = Path("data")
MODULES = (application, bureau, case, decision, documents, findings, fraud, policy, watchlist)


def _contracts() -> list[type[Contract]]:
    return [
        found
        for module in MODULES
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, Contract)
        and found.__module__ == module.__name__
    ]


def _applicant() -> Applicant:
    return Applicant(
        first_name="Zoltan",
        last_name="Quixley",
        dob=date(1977, 2, 3),
        ssn="516-24-3907",
        email="zoltan@example.com",
        phone="+1 217 555 0142",
        addresses=(
            Address(line1="77 Hidden Lane", city="Springfield", state="IL", postal_code="62704"),
        ),
        employment=Employment(status=EmploymentStatus.EMPLOYED, gross_monthly_stated="4000.00"),
    )


def test_a_mask_leaves_what_a_colleague_needs_to_tell_two_people_apart() -> None:
    shown = masked(_applicant())

    assert shown["first_name"] == "Z***"
    assert shown["middle_name"] == ""
    assert shown["dob"] == "1977"
    assert shown["ssn"] == "***3907"
    assert shown["phone"] == "***0142"
    assert shown["email"] == "***"
    assert shown["addresses"][0]["line1"] == "***"
    assert shown["addresses"][0]["city"] == "Springfield"
    assert shown["employment"]["gross_monthly_stated"] == "4000.00"


def test_the_mask_of_a_telephone_number_leaves_out_the_extension() -> None:
    person = Applicant.model_validate(
        _applicant().model_dump() | {"phone": "(217) 555-0142 ext. 45"}
    )

    assert masked(person)["phone"] == "***0142"


def test_masking_reaches_into_lists_and_keeps_their_length() -> None:
    statement = BankStatement(
        account_last4="9911",
        holder_name="Zoltan Quixley",
        period_start=date(2026, 9, 1),
        period_end=date(2026, 9, 30),
        opening_balance="0.00",
        closing_balance="5.00",
        transactions=(
            Transaction(posted_on=date(2026, 9, 2), amount="5.00", description="From Quixley"),
        ),
    )

    shown = masked(statement)

    assert shown["account_last4"] == "***9911"
    assert [transaction["description"] for transaction in shown["transactions"]] == ["***"]


def test_an_absent_value_stays_absent() -> None:
    assert masked(_applicant().model_copy(update={"email": None}))["email"] is None


@pytest.mark.parametrize("case_id", case_ids(DATA))
def test_no_persona_can_be_recognised_in_its_masked_case(case_id: str) -> None:
    found = load_case(DATA, case_id)

    shown = json.dumps(masked(found))

    for applicant in found.application.applicants:
        for secret in (
            applicant.ssn,
            applicant.dob.isoformat(),
            applicant.email,
            applicant.phone,
            applicant.addresses[0].line1,
        ):
            assert secret
            assert secret not in shown
    for document in found.documents:
        assert not document.content_base64 or document.content_base64 not in shown


def test_neither_repr_nor_str_show_personal_data() -> None:
    applicant = _applicant()

    for text in (repr(applicant), str(applicant), repr((applicant,))):
        assert "Quixley" not in text
        assert "3907" not in text
        assert "Hidden" not in text
    assert "Springfield" in repr(applicant)


def test_an_error_about_personal_data_does_not_repeat_it() -> None:
    wrong: dict[str, Any] = _applicant().model_dump(mode="json") | {
        "ssn": "666-12-3456",
        "dob": "x",
    }

    with pytest.raises(ValidationError) as refused:
        Applicant.model_validate(wrong)

    assert "666-12" not in str(refused.value)
    assert "Quixley" not in str(refused.value)


@pytest.mark.parametrize("contract", _contracts(), ids=lambda contract: contract.__name__)
def test_every_contract_with_personal_data_hides_it(contract: type[Contract]) -> None:
    parts = [part for field in contract.model_fields.values() for part in _parts(field.annotation)]
    holds = bool(personal_fields(contract)) or any(
        issubclass(part, PersonalRecord) for part in parts
    )

    assert not holds or issubclass(contract, PersonalRecord)


@pytest.mark.parametrize(
    "contract",
    [
        found
        for module in (findings, decision, policy)
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, BaseModel)
        and found.__module__ == module.__name__
    ],
    ids=lambda contract: contract.__name__,
)
def test_findings_and_decisions_have_no_place_for_personal_data(
    contract: type[BaseModel],
) -> None:
    parts = [part for field in contract.model_fields.values() for part in _parts(field.annotation)]

    assert not personal_fields(contract)
    assert not [part.__name__ for part in parts if issubclass(part, PersonalRecord)]


def _parts(annotation: Any) -> list[type]:
    inner = [found for part in get_args(annotation) for found in _parts(part)]
    return [annotation, *inner] if isinstance(annotation, type) else inner
