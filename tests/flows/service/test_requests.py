"""A case may come in three forms, and each is read as what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from data.contracts.documents import DocumentKind
from data.settings import Settings
from flows.service.requests import Answer, ClaimRequest, FileDocument, StartOptions, StartRun
from tools.case_files import load_case

DATA = Settings().data_dir
CASE = load_case(DATA, "ada-prime")


def test_an_application_alone_becomes_a_case_without_papers() -> None:
    order = StartRun.model_validate({"application": CASE.application.model_dump(mode="json")})

    assert order.application is not None
    assert order.application.application == CASE.application
    assert order.application.documents == ()


def test_a_bundle_becomes_the_case_it_holds() -> None:
    order = StartRun.model_validate({"application": CASE.model_dump(mode="json")})

    assert order.application == CASE


def test_a_persona_file_is_read_without_its_expected_end() -> None:
    persona = json.loads((DATA / "synthetic" / "ada-prime.json").read_bytes())

    order = StartRun.model_validate({"application": persona})

    assert order.application == CASE


def test_options_are_those_four_and_no_other() -> None:
    options = StartOptions.model_validate(
        {"as": "copy", "fan_out_policy": "fail_fast", "bundle": "v2", "as_of_date": "2026-11-02"}
    )

    assert options.as_ == "copy"
    assert options.run_options.model_dump(mode="json") == {
        "fan_out_policy": "fail_fast",
        "as_of_date": "2026-11-02",
        "bundle": "v2",
    }
    with pytest.raises(ValidationError):
        StartOptions.model_validate({"faster": True})


@pytest.mark.parametrize("day", [86400, "86400", "2026-11-02T00:00:00", True])
def test_the_day_to_decide_on_is_written_as_a_day(day: object) -> None:
    with pytest.raises(ValidationError, match="YYYY-MM-DD"):
        StartOptions.model_validate({"as_of_date": day})


def test_an_answer_hands_every_field_but_the_gate_to_the_form() -> None:
    answer = Answer.model_validate(
        {
            "gate": "underwriter",
            "decision": "adjust",
            "reviewer": "u-1",
            "reason": "shorter",
            "term_months": 24,
        }
    )

    assert answer.fields == {
        "decision": "adjust",
        "reviewer": "u-1",
        "reason": "shorter",
        "term_months": 24,
    }


SSN, PHONE, BORN = "516-24-3907", "12175550107", "1984-06-17"


def _bundle(**application: str) -> dict[str, Any]:
    bundle: dict[str, Any] = CASE.model_dump(mode="json")
    bundle["application"] |= application
    return bundle


def _refused(order: dict[str, Any]) -> list[tuple[str, str]]:
    """Where and by which code; nothing that was sent is repeated."""
    with pytest.raises(ValidationError) as refused:
        StartRun.model_validate(order)
    found = [(error["loc"], error["type"], error["msg"]) for error in refused.value.errors()]
    assert not any(personal in str(found) for personal in (SSN, PHONE, BORN, "7-4390"))
    return [("/".join(map(str, where)), code) for where, code, _ in found]


def test_no_id_of_an_application_may_tell_what_is_personal_in_it() -> None:
    sent = _bundle(application_id=f"born-{BORN}", partner_id=f"calls-{PHONE}")["application"]

    assert _refused({"application": sent}) == [
        ("application/application_id", "personal_data"),
        ("application/partner_id", "personal_data"),
    ]


def test_no_id_of_a_bundle_may_tell_what_is_personal_in_it() -> None:
    sent = _bundle(application_id=f"born-{BORN}")
    sent["documents"][1]["document_id"] = "scan-51-624-3907"

    assert _refused({"application": sent}) == [
        ("application/application/application_id", "personal_data"),
        ("application/documents/1/document_id", "personal_data"),
    ]


@pytest.mark.parametrize(
    ("order", "where"),
    [
        ({"application_id": SSN}, "application_id"),
        ({"application_id": "ada-prime", "options": {"as": SSN}}, "options/as"),
        ({"application_id": "ada-prime", "options": {"as": "531409207"}}, "options/as"),
    ],
)
def test_no_id_may_be_anybody_s_tax_number(order: dict[str, Any], where: str) -> None:
    assert _refused(order) == [(where, "personal_id")]


def test_a_paper_is_not_filed_under_a_tax_number() -> None:
    with pytest.raises(ValidationError, match="shape of a tax number"):
        FileDocument(document_id=SSN, kind=DocumentKind.PAYSTUB, content_base64="e30=")


@pytest.mark.parametrize(
    "name", ["u-1\nERROR", "u-1\r", "\x1b[2Ju-1", "u\x00", "u\u2028v", "u\u202e1"]
)
def test_a_name_is_one_line_that_reads_as_it_is_written(name: str) -> None:
    given = {"gate": "underwriter", "decision": "approve", "reviewer": name, "reason": "seen"}

    with pytest.raises(ValidationError, match="control characters"):
        Answer.model_validate(given)
    if name.strip() == name:
        with pytest.raises(ValidationError, match="control characters"):
            ClaimRequest(reviewer=name)
