"""Intake reports what is missing, by applicant and purpose, and handles every document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.doc_intake import DocIntakeAgent
from data.contracts.case import CaseFile
from data.contracts.findings import Completeness, DocIntakeFinding, FindingStatus, Presence
from tools.case_files import load_case, load_persona

DATA = Path("data")


async def _intake(case: CaseFile) -> DocIntakeFinding:
    return await DocIntakeAgent().run(case)


def _changed(case_id: str, without: str = "", **applicant: Any) -> CaseFile:
    """A persona without documents of one kind, and with changes to the primary applicant."""
    content = load_case(DATA, case_id).model_dump(mode="json")
    content["documents"] = [
        document for document in content["documents"] if document["kind"] != without
    ]
    content["application"]["applicants"][0].update(applicant)
    return CaseFile.model_validate(content)


def _presence(finding: DocIntakeFinding) -> dict[str, Presence]:
    return {f"{item.applicant}:{item.purpose}": item.presence for item in finding.checklist}


async def test_the_case_of_ada_is_complete() -> None:
    finding = await _intake(load_case(DATA, "ada-prime"))

    assert finding.completeness is Completeness.COMPLETE
    assert finding.status is FindingStatus.OK
    assert _presence(finding) == {
        "primary:identity": Presence.PRESENT,
        "primary:income": Presence.PRESENT,
    }
    assert finding.evidence == ("licence-primary", "paystub-primary", "statement-primary")
    assert finding.stipulations == ()


@pytest.mark.parametrize(
    ("case_id", "item", "presence", "completeness"),
    [
        ("erin-expired", "primary:identity", Presence.EXPIRED, Completeness.INCOMPLETE),
        ("max-missing", "primary:income", Presence.MISSING, Completeness.INCOMPLETE),
        ("cora-corrupt", "primary:income", Presence.UNUSABLE, Completeness.UNUSABLE),
    ],
)
async def test_a_missing_document_is_named_and_accepted_once_it_arrives(
    case_id: str, item: str, presence: Presence, completeness: Completeness
) -> None:
    persona = load_persona(DATA, case_id)

    before = await _intake(persona.case)
    after = await _intake(persona.with_document(persona.later_documents[0]))

    assert before.completeness is completeness
    assert before.status is FindingStatus.DEGRADED
    assert _presence(before)[item] is presence
    assert after.completeness is Completeness.COMPLETE
    assert _presence(after)[item] is Presence.PRESENT


async def test_a_damaged_document_is_named_with_its_problem() -> None:
    finding = await _intake(load_case(DATA, "cora-corrupt"))

    assert finding.warnings == ("paystub-primary:size_mismatch",)
    assert {reading.document_id: reading.problem for reading in finding.readings} == {
        "licence-primary": None,
        "paystub-primary": "size_mismatch",
        "statement-primary": None,
    }


async def test_each_of_two_applicants_needs_their_own_documents() -> None:
    case = load_case(DATA, "jo-kit-joint")
    own = [document for document in case.documents if document.document_id != "licence-co"]

    finding = await _intake(case.model_copy(update={"documents": tuple(own)}))

    assert _presence(finding)["primary:identity"] is Presence.PRESENT
    assert _presence(finding)["co:identity"] is Presence.MISSING


async def test_a_large_loan_also_requires_a_bank_statement() -> None:
    complete = await _intake(load_case(DATA, "leo-large"))
    lacking = await _intake(_changed("leo-large", without="bank_statement"))

    assert _presence(complete)["primary:bank_account"] is Presence.PRESENT
    assert _presence(lacking)["primary:bank_account"] is Presence.MISSING


@pytest.mark.parametrize(
    ("status", "monthly", "accepted"),
    [
        ("employed", "5000.00", False),
        ("self_employed", "5000.00", True),
        ("retired", "5000.00", True),
        ("benefits", "5000.00", True),
        ("student", "5000.00", True),
        ("unemployed", "0.00", True),
    ],
)
async def test_accepted_proof_depends_on_the_kind_of_income(
    status: str, monthly: str, accepted: bool
) -> None:
    employment = {"status": status, "gross_monthly_stated": monthly}

    finding = await _intake(_changed("ada-prime", without="paystub", employment=employment))

    assert (finding.completeness is Completeness.COMPLETE) == accepted


@pytest.mark.parametrize(
    ("without", "months", "asked"),
    [
        ("bank_statement", None, Presence.MISSING),
        ("", None, Presence.PRESENT),
        ("bank_statement", 12, None),
    ],
)
async def test_support_beside_wages_needs_proof_if_it_lasts(
    without: str, months: int | None, asked: Presence | None
) -> None:
    support = {"type": "child_support", "monthly": "700.00", "continues_months": months}

    finding = await _intake(_changed("ada-prime", without, other_income=[support]))

    assert _presence(finding).get("primary:other_income") is asked


async def test_an_applicant_without_income_need_not_prove_it() -> None:
    employment = {"status": "unemployed", "gross_monthly_stated": "0.00"}

    finding = await _intake(_changed("ada-prime", employment=employment))

    assert [item.purpose for item in finding.checklist] == ["identity"]


@pytest.mark.parametrize(
    ("address", "codes"),
    [
        ({"line1": "PO Box 12"}, ["street_address_required"]),
        ({"postal_code": "94103"}, ["confirm_postal_code"]),
        ({"state": "CA", "postal_code": "94103"}, ["confirm_state_of_residence"]),
        ({}, []),
    ],
)
async def test_a_doubtful_address_is_asked_about(address: dict[str, str], codes: list[str]) -> None:
    home = {"line1": "1 Elm", "city": "Springfield", "state": "IL", "postal_code": "62704"}

    finding = await _intake(_changed("ada-prime", addresses=[home | address]))

    assert [stipulation.code for stipulation in finding.stipulations] == codes


async def test_equal_cases_have_equal_findings() -> None:
    case = load_case(DATA, "ada-prime")

    assert await _intake(case) == await _intake(case.renamed("copy"))
