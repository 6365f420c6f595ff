"""The inputs of a case have one digest, under every application id."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from data.contracts.case import CaseFile
from data.contracts.documents import Document
from tools.case_files import load_case, load_persona

DATA = Path("data")


def test_a_copy_under_another_id_has_equal_inputs() -> None:
    ada = load_case(DATA, "ada-prime")

    copy = ada.renamed("ada-again")

    assert copy.application.application_id == "ada-again"
    assert copy.inputs_sha256() == ada.inputs_sha256()
    assert copy.application.primary == ada.application.primary


def test_a_copy_cannot_have_an_impossible_id() -> None:
    with pytest.raises(ValidationError):
        load_case(DATA, "ada-prime").renamed("../ada")


def test_a_persona_and_its_case_have_equal_inputs() -> None:
    persona = load_persona(DATA, "erin-expired")

    assert persona.inputs_sha256() == persona.case.inputs_sha256()
    assert type(persona.renamed("erin-2")) is CaseFile


def test_any_other_difference_changes_the_digest() -> None:
    ada = load_case(DATA, "ada-prime")
    content = ada.model_dump(mode="json")
    content["application"]["amount_requested"] = "10000.01"

    assert CaseFile.model_validate(content).inputs_sha256() != ada.inputs_sha256()


def test_equal_amounts_written_differently_have_equal_inputs() -> None:
    ada = load_case(DATA, "ada-prime")
    content = ada.model_dump(mode="json")
    content["application"]["amount_requested"] = 10000

    assert CaseFile.model_validate(content).inputs_sha256() == ada.inputs_sha256()


def test_a_case_survives_its_json_form() -> None:
    ada = load_case(DATA, "jo-kit-joint")

    assert CaseFile.model_validate_json(ada.model_dump_json()) == ada


def _refused(content: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as refused:
        CaseFile.model_validate(content)
    return refused.value.errors()[0]["type"]


def test_two_documents_cannot_share_an_id() -> None:
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    content["documents"] *= 2

    assert _refused(content) == "duplicate_document"


def test_a_document_belongs_to_an_applicant() -> None:
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    content["documents"][0]["applicant"] = "co"

    assert _refused(content) == "document_of_nobody"


def test_a_second_report_needs_a_second_applicant() -> None:
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    content["co_bureau_report"] = content["bureau_report"]

    assert _refused(content) == "report_of_nobody"


def test_consent_after_the_pull_is_no_consent() -> None:
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    content["bureau_report"]["report_date"] = "2026-11-01"

    assert _refused(content) == "consent_missing"


@pytest.mark.parametrize("written", ["2026-11-02T05:30:00Z", "2026-11-02T14:30:00+09:00"])
def test_the_day_of_consent_is_the_day_where_the_applicant_lives(written: str) -> None:
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    content["bureau_report"]["report_date"] = "2026-11-01"
    content["application"]["consent"]["credit_pull_at"] = written

    assert CaseFile.model_validate(content).bureau_report is not None


def test_a_further_document_makes_another_case_and_keeps_the_first() -> None:
    erin = load_persona(DATA, "erin-expired")
    renewed = erin.later_documents[0]

    later = erin.with_document(renewed)

    assert [document.document_id for document in later.documents][-1] == "renewed-licence-primary"
    assert len(erin.documents) == 3
    assert later.inputs_sha256() != erin.inputs_sha256()


def test_the_same_document_cannot_be_added_twice() -> None:
    erin = load_case(DATA, "erin-expired")

    with pytest.raises(ValidationError):
        erin.with_document(erin.documents[0])


def test_a_document_without_content_is_a_document() -> None:
    document = Document.model_validate(
        {
            "document_id": "later",
            "kind": "paystub",
            "media_type": "application/pdf",
            "size_bytes": 10,
            "sha256": "0" * 64,
            "received_at": datetime(2026, 11, 2, tzinfo=UTC),
        }
    )

    assert document.content_base64 == ""
