"""Ratios and amounts, compared with figures that were computed by hand."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.application import Application
from data.contracts.bureau import BureauStatus
from data.contracts.case import CaseFile
from data.contracts.errors import ToolError
from data.contracts.findings import (
    AffordabilityFinding,
    BureauFinding,
    IncomeFinding,
    IncomeVerdict,
)
from data.contracts.questions import AffordabilityQuestion
from data.rounding import ratio
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


@pytest.mark.parametrize(
    ("adults", "dependents", "floor"), [(1, 0, 800), (1, 1, 1050), (1, 4, 1800), (2, 1, 1450)]
)
def test_every_adult_and_dependent_raises_the_living_floor(
    adults: int, dependents: int, floor: int
) -> None:
    question = _question(adults=adults, dependents=dependents)

    assert assess_affordability(question, TERMS).residual_floor == floor


@given(
    st.decimals(0, 9000, places=2),
    st.decimals(0, 9000, places=2),
    st.sampled_from([12, 24, 36, 48, 60]),
)
def test_more_debt_never_lowers_debt_to_income_and_never_leaves_more(
    debts: Decimal, more: Decimal, months: int
) -> None:
    less = assess_affordability(_question(obligations=debts, term_months=months), TERMS)
    owing = assess_affordability(_question(obligations=debts + more, term_months=months), TERMS)

    for name in ("dti_before", "dti_after", "dti_stressed"):
        assert getattr(owing, name) >= getattr(less, name)
    assert owing.residual_income == less.residual_income - more
    assert owing.max_principal <= less.max_principal


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
        **question.model_dump(exclude={"adults", "dependents"}),
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
    partly = _ask(_income(net_monthly="3000", gross_without_net="4000"), _bureau())
    too_high = _ask(_income(net_monthly="7500"), _bureau())

    assert partly is not None
    assert partly.net_income == 6000  # 3,000 shown, and 75 % of 4,000
    assert too_high is not None
    assert too_high.net_income == 7200

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


@pytest.mark.parametrize(
    ("ownership", "mortgage", "housing"),
    [
        ("own", "1500", 1500),
        ("own", "900", 1100),
        ("rent", "1500", 2600),
        ("family", "1500", 2600),
        ("rent", "0", 1100),
    ],
)
def test_a_tenant_pays_rent_and_a_mortgage_elsewhere_and_an_owner_pays_once(
    ownership: str, mortgage: str, housing: int
) -> None:
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    content["application"]["applicants"][0]["addresses"][0]["ownership"] = ownership
    case = CaseFile.model_validate(content)
    assert case.bureau_report is not None
    found = derive_attributes(case.bureau_report, case.application.as_of_date)
    attributes = found.model_copy(update={"mortgage_payment_monthly": Decimal(mortgage)})

    question = affordability_question(
        case.application, _income(), _bureau(attributes=attributes), TERMS, Decimal("0.1299")
    )

    assert question is not None
    assert question.housing == housing
    assert assess_affordability(question, TERMS).dti_front == ratio(Decimal(housing), Decimal(7200))


def test_two_applicants_at_one_address_pay_for_it_once() -> None:
    application = load_case(DATA, "jo-kit-joint").application
    stated = [applicant.housing_payment_monthly for applicant in application.applicants]

    question = _ask(_income(), _bureau(), "jo-kit-joint")

    assert question is not None
    assert question.housing == max(stated)
    assert question.adults == 2


@pytest.mark.parametrize(
    ("second", "homes"),
    [
        ({"line1": "410 Alder St."}, 1),
        ({"line1": "410 Adler Street"}, 1),
        ({"line1": "412 Alder Street"}, 2),
        ({"line1": "410 Alder Street Apt 2"}, 2),
    ],
)
def test_one_home_is_one_however_its_address_is_written(second: dict[str, str], homes: int) -> None:
    content = load_case(DATA, "jo-kit-joint").application.model_dump(mode="json")
    content["applicants"][0]["addresses"] = [_HOME, _BOX]
    content["applicants"][1]["addresses"] = [_BOX, _HOME | second]
    for applicant in content["applicants"]:
        applicant |= {"housing_payment_monthly": "1000.00", "dependents": 1}
    application = Application.model_validate(content)

    question = affordability_question(application, _income(), _bureau(), TERMS, Decimal("0.1299"))

    assert question is not None
    assert question.housing == 1000 * homes
    assert question.dependents == homes


_HOME = {
    "line1": "410 Alder Street",
    "city": "Springfield",
    "state": "IL",
    "postal_code": "62704",
    "ownership": "rent",
}
_BOX = _HOME | {"line1": "PO Box 12"}
