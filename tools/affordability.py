"""Ability to repay: debt to income, a stress test, and residual income.

Debt to income is (obligations + housing + payment) / gross verified income, and its front-end
ratio is housing / gross verified income. Residual income is net income - obligations - housing -
payment, and its floor grows with every adult and dependent. The stressed payment uses a yearly
rate that is higher by the lender's margin. All amounts are US dollars per month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from data.contracts.application import Address, Applicant, Application, Ownership
from data.contracts.base import Money
from data.contracts.errors import ToolError
from data.contracts.findings import AffordabilityFinding, BureauFinding, IncomeFinding
from data.contracts.policy import AffordabilityTerms
from data.contracts.questions import AffordabilityQuestion
from data.rounding import cents, ratio
from tools.amortization import A_MONTH, level_payment, principal_for
from tools.apr import time_to_first_payment
from tools.base import tool
from tools.street_address import same_address


@dataclass(frozen=True)
class Ability:
    """The ratios and amounts of one loan for one household."""

    payment: Decimal
    dti_front: Decimal
    dti_before: Decimal
    dti_after: Decimal
    dti_stressed: Decimal
    pti: Decimal
    """Payment to income."""
    residual_income: Decimal
    residual_income_stressed: Decimal
    residual_floor: Decimal
    max_principal: Decimal


@tool()
def assess_affordability(question: AffordabilityQuestion, terms: AffordabilityTerms) -> Ability:
    """Compute the ratios of a loan. Raises ToolError without a verified income."""
    floor = (
        terms.living_floor
        + terms.living_floor_per_further_adult * (question.adults - 1)
        + terms.living_floor_per_dependent * question.dependents
    )
    return _compute(question, floor, terms)


def with_other_terms(
    ability: AffordabilityFinding,
    terms: AffordabilityTerms,
    *,
    amount: Decimal,
    term_months: int,
    annual_rate: Decimal,
) -> AffordabilityFinding:
    """The finding for the same household with another loan."""
    question = AffordabilityQuestion(
        amount=amount,
        term_months=term_months,
        annual_rate=annual_rate,
        verified_income=ability.verified_income,
        net_income=ability.net_income,
        obligations=ability.obligations,
        housing=ability.housing,
        dependents=0,
        first_months=ability.first_months,
    )
    found = _compute(question, ability.residual_floor, terms)
    changed = {"amount": amount, "term_months": term_months, "annual_rate": annual_rate}
    return AffordabilityFinding.model_validate(dict(ability) | changed | vars(found))


def affordable_principal(
    income: Money,
    debts: Money,
    terms: AffordabilityTerms,
    *,
    term_months: int,
    annual_rate: Decimal,
    first_months: Decimal = A_MONTH,
) -> Decimal:
    """The largest principal in dollars whose payment stays within the debt-to-income cap.

    (cap * income - debts) * (1 - (1 + i)^-n) / i, or zero when debts exceed the cap.
    """
    return principal_for(terms.dti_cap * income - debts, annual_rate, term_months, first_months)


def income_limit(verified_monthly: Decimal, terms: AffordabilityTerms) -> Decimal:
    """The largest amount in dollars as a share of yearly verified income."""
    return cents(terms.income_multiple * 12 * verified_monthly)


def affordability_question(
    application: Application,
    income: IncomeFinding | None,
    bureau: BureauFinding | None,
    terms: AffordabilityTerms,
    annual_rate: Decimal,
) -> AffordabilityQuestion | None:
    """Build the question; None when income or obligations are not known."""
    if income is None or not income.verified_monthly:
        return None
    if bureau is None or bureau.monthly_obligations is None:
        return None
    mortgage = bureau.attributes.mortgage_payment_monthly if bureau.attributes else Decimal(0)
    homes = _homes(application)
    return AffordabilityQuestion(
        amount=application.amount_requested,
        term_months=application.term_months,
        annual_rate=annual_rate,
        verified_income=income.verified_monthly,
        net_income=_net(income, income.verified_monthly, terms),
        obligations=bureau.monthly_obligations,
        housing=_housing(homes, mortgage, application.as_of_date),
        adults=len(application.applicants),
        dependents=sum(max(person.dependents for person in home.people) for home in homes),
        first_months=time_to_first_payment(
            application.as_of_date, application.first_payment_on
        ).length,
    )


def _net(income: IncomeFinding, verified: Money, terms: AffordabilityTerms) -> Decimal:
    """Net income, never above the gross. A part that no document shows net is estimated."""
    if income.net_monthly is None:
        return cents(verified * terms.net_of_gross)
    estimated = cents(income.gross_without_net * terms.net_of_gross)
    return min(verified, income.net_monthly + estimated)


class _Home(NamedTuple):
    """The applicants who live at one address, and that address."""

    address: Address
    people: list[Applicant]


def _homes(application: Application) -> list[_Home]:
    """The applicants by home. Those of one home share its payment and its dependents."""
    homes: list[_Home] = []
    for applicant in application.applicants:
        lives_at = applicant.residence_on(application.as_of_date)
        shared = (home for home in homes if same_address(home.address, lives_at))
        home = next(shared, None)
        if home is None:
            homes.append(_Home(lives_at, [applicant]))
        else:
            home.people.append(applicant)
    return homes


def _housing(homes: Sequence[_Home], mortgage: Decimal, as_of: date) -> Decimal:
    """The payments for the homes, and a mortgage elsewhere.

    The payment that an owner states and the one in the credit file may be for the same mortgage,
    so the larger counts. A tenant with a mortgage pays both.
    """
    owned, rented = Decimal(0), Decimal(0)
    for home in homes:
        payment = max(person.housing_payment_monthly for person in home.people)
        if any(person.residence_on(as_of).ownership is Ownership.OWN for person in home.people):
            owned += payment
        else:
            rented += payment
    return rented + max(owned, mortgage)


def _compute(question: AffordabilityQuestion, floor: Decimal, terms: AffordabilityTerms) -> Ability:
    income, debts = question.verified_income, question.obligations + question.housing
    if income <= 0:
        raise ToolError("affordability needs a verified income")
    amount, months, rate = question.amount, question.term_months, question.annual_rate
    first = question.first_months
    payment = level_payment(amount, rate, months, first)
    stressed = level_payment(amount, rate + terms.rate_stress, months, first)
    return Ability(
        payment=payment,
        dti_front=ratio(question.housing, income),
        dti_before=ratio(debts, income),
        dti_after=ratio(debts + payment, income),
        dti_stressed=ratio(debts + stressed, income),
        pti=ratio(payment, income),
        residual_income=question.net_income - debts - payment,
        residual_income_stressed=question.net_income - debts - stressed,
        residual_floor=floor,
        max_principal=affordable_principal(
            income, debts, terms, term_months=months, annual_rate=rate, first_months=first
        ),
    )
