"""The income agent adds up the income of both applicants."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from agents.income import IncomeAgent
from data.contracts.case import CaseFile
from data.contracts.findings import FindingStatus, IncomeFinding, IncomeVerdict
from tools.case_files import case_ids, load_case, load_persona

DATA = Path("data")


async def _income(case: CaseFile) -> IncomeFinding:
    return await IncomeAgent().run(case)


async def test_adas_income_is_confirmed_by_paystub_and_bank() -> None:
    finding = await _income(load_case(DATA, "ada-prime"))

    assert finding.verdict is IncomeVerdict.VERIFIED
    assert finding.verified_monthly == Decimal("7200.00")
    assert finding.method == "paystub_and_bank"
    assert finding.confidence == Decimal("0.95")
    assert finding.deviation == 0
    assert finding.net_monthly is not None
    # The builder's net pay is 78 % of gross, rounded to the cent for every two weeks.
    assert abs(finding.net_monthly - Decimal("5616.00")) <= Decimal("0.05")


async def test_ivans_lower_figure_is_used_and_the_gap_is_named() -> None:
    finding = await _income(load_case(DATA, "ivan-mismatch"))

    assert finding.verdict is IncomeVerdict.DISCREPANT
    assert finding.stated_monthly == Decimal("7500.00")
    assert finding.verified_monthly == Decimal("5200.00")
    assert finding.deviation == Decimal("0.3067")


async def test_the_persona_that_affords_12_526_earns_exactly_5_200() -> None:
    finding = await _income(load_case(DATA, "connie-counter"))

    assert finding.verified_monthly == Decimal("5200.00")


async def test_two_incomes_add_up() -> None:
    finding = await _income(load_case(DATA, "jo-kit-joint"))

    assert finding.stated_monthly == Decimal("8900.00")
    assert finding.verified_monthly == Decimal("8900.00")


async def test_an_applicant_without_documents_lowers_the_sum() -> None:
    joint = load_case(DATA, "jo-kit-joint")
    of_jo = tuple(document for document in joint.documents if document.applicant == "primary")

    finding = await _income(joint.model_copy(update={"documents": of_jo}))

    assert finding.verified_monthly == Decimal("5800.00")
    assert finding.verdict is IncomeVerdict.DISCREPANT
    assert finding.method == "mixed"
    assert finding.confidence == 0


async def test_income_without_documents_is_unverifiable_and_degraded() -> None:
    ada = load_case(DATA, "ada-prime").model_copy(update={"documents": ()})

    finding = await _income(ada)

    assert finding.verdict is IncomeVerdict.UNVERIFIABLE
    assert finding.status is FindingStatus.DEGRADED
    assert finding.verified_monthly is None
    assert finding.deviation is None


async def test_a_wage_statement_in_place_of_a_paystub_is_enough() -> None:
    persona = load_persona(DATA, "max-missing")

    finding = await _income(persona.with_document(persona.later_documents[0]))

    assert finding.verified_monthly == Decimal("5900.00")
    assert finding.method == "annual_proof"
    assert finding.verdict is IncomeVerdict.VERIFIED


@pytest.mark.parametrize("case_id", case_ids(DATA))
async def test_a_finding_tells_nothing_about_the_person(case_id: str) -> None:
    case = load_case(DATA, case_id)

    written = (await _income(case)).model_dump_json()

    for applicant in case.application.applicants:
        assert applicant.last_name not in written
        assert applicant.ssn[-4:] not in written
        assert applicant.employment.employer not in written
