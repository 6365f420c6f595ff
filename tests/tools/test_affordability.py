"""Ratios and amounts, compared with figures that were computed by hand."""

from decimal import Decimal
from typing import Any

import pytest

from data.contracts.bureau import BureauStatus
from data.contracts.errors import ToolError
from data.contracts.findings import (
    AffordabilityFinding,
    BureauFinding,
    IncomeFinding,
    IncomeVerdict,
)
from data.contracts.questions import AffordabilityQuestion
from data.settings import Settings
from tools.affordability import (
    affordability_question,
    affordable_principal,
    assess_affordability,
    income_limit,
    with_other_terms,
)
from tools.attributes import derive_attributes
from tools.case_files import load_case
from tools.policy import load_policy

DATA = Settings().data_dir
TERMS = load_policy(DATA).affordability


def _question(**changes: Any) -> AffordabilityQuestion:
    return AffordabilityQuestion.model_validate(
        {
            "amount": "15000",
            "term_months": 48,
            "annual_rate": "0.1299",
            "verified_income": "5200",
            "net_income": "4000",
            "obligations": "700",
            "housing": "1200",
            "dependents": 2,
        }
        | changes
    )


def test_debt_to_income_includes_the_new_payment() -> None:
    ability = assess_affordability(_question(), TERMS)

    assert ability.payment == Decimal("402.34")
    assert ability.dti_before == Decimal("0.365385")  # 1,900 / 5,200
    assert ability.dti_after == Decimal("0.442758")  # 2,302.34 / 5,200
    assert ability.pti == Decimal("0.077373")


def test_the_stressed_payment_is_three_points_dearer() -> None:
    ability = assess_affordability(_question(), TERMS)

    # 15,000 at 15.99 % over 48 months is 425.03.
    assert ability.dti_stressed == Decimal("0.447121")
    assert ability.residual_income_stressed == Decimal("1674.97")


def test_residual_income_is_net_income_less_debts_and_payment() -> None:
    assert assess_affordability(_question(), TERMS).residual_income == Decimal("1697.66")


@pytest.mark.parametrize(("dependents", "floor"), [(0, 800), (1, 1050), (4, 1800)])
def test_every_dependent_raises_the_living_floor(dependents: int, floor: int) -> None:
    assert assess_affordability(_question(dependents=dependents), TERMS).residual_floor == floor


def test_the_largest_principal_is_that_of_the_published_example() -> None:
    assert assess_affordability(_question(), TERMS).max_principal == Decimal("12526.78")


def test_nothing_is_affordable_once_debts_exceed_the_cap() -> None:
    most = affordable_principal(
        Decimal(4000), Decimal(1800), TERMS, term_months=48, annual_rate=Decimal("0.1")
    )

    assert most == 0


def test_without_income_affordability_is_not_guessed() -> None:
    with pytest.raises(ToolError, match="verified income"):
        assess_affordability(_question(verified_income="0"), TERMS)


def test_the_income_limit_is_a_share_of_a_year() -> None:
    assert income_limit(Decimal(5200), TERMS) == Decimal("21840.00")


def test_another_loan_for_the_same_household_changes_only_the_loan() -> None:
    question = _question()
    ability = AffordabilityFinding(
        agent="credit_risk.affordability",
        agent_version="1",
        **question.model_dump(exclude={"dependents"}),
        **vars(assess_affordability(question, TERMS)),
    )

    smaller = with_other_terms(
        ability,
        TERMS,
        amount=Decimal(12500),
        term_months=48,
        annual_rate=Decimal("0.1299"),
    )

    assert smaller.residual_floor == ability.residual_floor == 1300
    assert smaller.dti_before == ability.dti_before
    assert smaller.dti_after < TERMS.dti_cap < ability.dti_after


def _income(**changes: Any) -> IncomeFinding:
    return IncomeFinding.model_validate(
        {
            "agent": "income",
            "agent_version": "1",
            "stated_monthly": "7200",
            "verified_monthly": "7200",
            "method": "paystub",
            "confidence": "0.9",
            "verdict": IncomeVerdict.VERIFIED,
        }
        | changes
    )


def _bureau(**changes: Any) -> BureauFinding:
    return BureauFinding.model_validate(
        {
            "agent": "credit_risk.bureau",
            "agent_version": "1",
            "bureau_status": BureauStatus.HIT,
            "monthly_obligations": "320",
        }
        | changes
    )


def _ask(
    income: IncomeFinding | None, bureau: BureauFinding | None, case_id: str = "ada-prime"
) -> AffordabilityQuestion | None:
    application = load_case(DATA, case_id).application
    return affordability_question(application, income, bureau, TERMS, Decimal("0.1299"))


def test_net_income_is_estimated_only_without_a_document() -> None:
    estimated = _ask(_income(), _bureau())
    shown = _ask(_income(net_monthly="5600"), _bureau())

    assert estimated is not None
    assert shown is not None
    assert estimated.net_income == 5400  # 75 % of 7,200
    assert shown.net_income == 5600


@pytest.mark.parametrize("income", [None, _income(verified_monthly=None)])
def test_unknown_income_gives_no_question(income: IncomeFinding | None) -> None:
    assert _ask(income, _bureau()) is None


@pytest.mark.parametrize("bureau", [None, _bureau(monthly_obligations=None)])
def test_unknown_obligations_give_no_question(bureau: BureauFinding | None) -> None:
    assert _ask(_income(), bureau) is None


def test_a_mortgage_in_the_file_is_not_counted_beside_stated_housing() -> None:
    case = load_case(DATA, "ada-prime")
    assert case.bureau_report is not None
    found = derive_attributes(case.bureau_report, case.application.as_of_date)
    mortgage = found.model_copy(update={"mortgage_payment_monthly": Decimal(1500)})

    question = _ask(_income(), _bureau(attributes=mortgage))

    assert question is not None
    assert case.application.primary.housing_payment_monthly == 1100
    assert question.housing == 1500


def test_two_applicants_at_one_address_pay_for_it_once() -> None:
    application = load_case(DATA, "jo-kit-joint").application
    stated = [applicant.housing_payment_monthly for applicant in application.applicants]

    question = _ask(_income(), _bureau(), "jo-kit-joint")

    assert question is not None
    assert question.housing == max(stated)
