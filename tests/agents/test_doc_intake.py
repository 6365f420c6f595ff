"""Intake says what is missing, by person and purpose, and never stumbles over a paper."""

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


def _changed(case_id: str, without: str = "", **who: Any) -> CaseFile:
    """A persona without the papers of one kind, and with another primary applicant."""
    content = load_case(DATA, case_id).model_dump(mode="json")
    content["documents"] = [one for one in content["documents"] if one["kind"] != without]
    content["application"]["applicants"][0].update(who)
    return CaseFile.model_validate(content)


def _presence(finding: DocIntakeFinding) -> dict[str, Presence]:
    return {f"{item.applicant}:{item.purpose}": item.presence for item in finding.checklist}


async def test_ada_has_shown_everything() -> None:
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
async def test_what_is_lacking_is_named_and_accepted_once_it_is_handed_in(
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


async def test_a_torn_paper_is_named_with_its_problem() -> None:
    finding = await _intake(load_case(DATA, "cora-corrupt"))

    assert finding.warnings == ("paystub-primary:size_mismatch",)
    assert {one.document_id: one.problem for one in finding.readings} == {
        "licence-primary": None,
        "paystub-primary": "size_mismatch",
        "statement-primary": None,
    }


async def test_each_of_two_applicants_shows_their_own_papers() -> None:
    case = load_case(DATA, "jo-kit-joint")
    own = [one for one in case.documents if one.document_id != "licence-co"]

    finding = await _intake(case.model_copy(update={"documents": tuple(own)}))

    assert _presence(finding)["primary:identity"] is Presence.PRESENT
    assert _presence(finding)["co:identity"] is Presence.MISSING


async def test_a_large_loan_is_also_shown_in_the_bank() -> None:
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
async def test_what_counts_as_proof_depends_on_what_one_lives_on(
    status: str, monthly: str, accepted: bool
) -> None:
    employment = {"status": status, "gross_monthly_stated": monthly}

    finding = await _intake(_changed("ada-prime", without="paystub", employment=employment))

    assert (finding.completeness is Completeness.COMPLETE) == accepted


async def test_who_has_no_income_is_not_asked_to_prove_it() -> None:
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

    assert [one.code for one in finding.stipulations] == codes


async def test_equal_cases_have_equal_findings() -> None:
    case = load_case(DATA, "ada-prime")

    assert await _intake(case) == await _intake(case.renamed("copy"))
