"""Ability to repay: debt to income, a stress test, and residual income.

Debt to income is (obligations + housing + payment) / gross verified income. Residual income is
net income - obligations - housing - payment. The stressed payment uses a yearly rate that is
higher by the lender's margin. All amounts are US dollars per month.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from data.contracts.application import Application
from data.contracts.base import Money
from data.contracts.errors import ToolError
from data.contracts.findings import AffordabilityFinding, BureauFinding, IncomeFinding
from data.contracts.policy import AffordabilityTerms
from data.contracts.questions import AffordabilityQuestion
from data.rounding import cents, ratio
from tools.amortization import level_payment, principal_for
from tools.base import tool


@dataclass(frozen=True)
class Ability:
    """The ratios and amounts of one loan for one household."""

    payment: Decimal
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
    floor = terms.living_floor + terms.living_floor_per_dependent * question.dependents
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
) -> Decimal:
    """The largest principal in dollars whose payment stays within the debt-to-income cap.

    (cap * income - debts) * (1 - (1 + i)^-n) / i, or zero when debts exceed the cap.
    """
    return principal_for(terms.dti_cap * income - debts, annual_rate, term_months)


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
    net = income.net_monthly
    return AffordabilityQuestion(
        amount=application.amount_requested,
        term_months=application.term_months,
        annual_rate=annual_rate,
        verified_income=income.verified_monthly,
        net_income=cents(income.verified_monthly * terms.net_of_gross) if net is None else net,
        obligations=bureau.monthly_obligations,
        # The credit file and the stated housing payment may both contain the mortgage.
        housing=max(_housing(application), mortgage),
        dependents=max(applicant.dependents for applicant in application.applicants),
    )


def _housing(application: Application) -> Decimal:
    """Stated housing payments. Two applicants at one address share one payment."""
    payments: dict[tuple[str, str], Decimal] = {}
    for applicant in application.applicants:
        present = applicant.addresses[0]
        home = (present.line1.casefold().strip(), present.postal_code[:5])
        payments[home] = max(payments.get(home, Decimal(0)), applicant.housing_payment_monthly)
    return sum(payments.values(), Decimal(0))


def _compute(question: AffordabilityQuestion, floor: Decimal, terms: AffordabilityTerms) -> Ability:
    income, debts = question.verified_income, question.obligations + question.housing
    if income <= 0:
        raise ToolError("affordability needs a verified income")
    amount, months, rate = question.amount, question.term_months, question.annual_rate
    payment = level_payment(amount, rate, months)
    stressed = level_payment(amount, rate + terms.rate_stress, months)
    return Ability(
        payment=payment,
        dti_before=ratio(debts, income),
        dti_after=ratio(debts + payment, income),
        dti_stressed=ratio(debts + stressed, income),
        pti=ratio(payment, income),
        residual_income=question.net_income - debts - payment,
        residual_income_stressed=question.net_income - debts - stressed,
        residual_floor=floor,
        max_principal=affordable_principal(
            income, debts, terms, term_months=months, annual_rate=rate
        ),
    )
