"""Can the applicant carry the loan: debt to income, stress, and what is left to live on.

Debt to income is (obligations + housing + payment) / gross verified income; residual income
is net income less the same. The stressed payment is the one at a rate higher by the lender's
margin. All amounts are US dollars per month.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from data.contracts.application import Application
from data.contracts.base import Money
from data.contracts.errors import ToolError
from data.contracts.findings import AffordabilityFinding, BureauFinding, IncomeFinding
from data.contracts.policy import AffordabilityTerms
from data.contracts.questions import AffordabilityQuestion
from tools.amortization import level_payment, principal_for, to_cents
from tools.base import tool

_SIX_PLACES = Decimal("0.000001")


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
    """Reckon the loan against the income. Raises ToolError without a verified income."""
    floor = terms.living_floor + terms.living_floor_per_dependent * question.dependents
    return _reckon(question, floor, terms)


def with_other_terms(
    ability: AffordabilityFinding,
    terms: AffordabilityTerms,
    *,
    amount: Decimal,
    term_months: int,
    annual_rate: Decimal,
) -> AffordabilityFinding:
    """The same household with another loan."""
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
    found = _reckon(question, ability.residual_floor, terms)
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
    """The largest principal in dollars whose payment fits under the debt-to-income cap.

    (cap * income - debts) * (1 - (1 + i)^-n) / i; zero without room.
    """
    return principal_for(terms.dti_cap * income - debts, annual_rate, term_months)


def income_limit(verified_monthly: Decimal, terms: AffordabilityTerms) -> Decimal:
    """The largest amount in dollars as a share of yearly verified income."""
    return to_cents(terms.income_multiple * 12 * verified_monthly)


def affordability_question(
    application: Application,
    income: IncomeFinding | None,
    bureau: BureauFinding | None,
    terms: AffordabilityTerms,
    annual_rate: Decimal,
) -> AffordabilityQuestion | None:
    """Put the question together; None when income or obligations are not known."""
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
        net_income=to_cents(income.verified_monthly * terms.net_of_gross) if net is None else net,
        obligations=bureau.monthly_obligations,
        # A mortgage stands in the file and is stated as housing: it is one payment.
        housing=max(_housing(application), mortgage),
        dependents=max(one.dependents for one in application.applicants),
    )


def _housing(application: Application) -> Decimal:
    """Stated housing; two applicants at one address share one payment."""
    payments: dict[tuple[str, str], Decimal] = {}
    for one in application.applicants:
        home = (one.addresses[0].line1.casefold().strip(), one.addresses[0].postal_code[:5])
        payments[home] = max(payments.get(home, Decimal(0)), one.housing_payment_monthly)
    return sum(payments.values(), Decimal(0))


def _reckon(question: AffordabilityQuestion, floor: Decimal, terms: AffordabilityTerms) -> Ability:
    income, debts = question.verified_income, question.obligations + question.housing
    if income <= 0:
        raise ToolError("affordability needs a verified income")
    amount, months, rate = question.amount, question.term_months, question.annual_rate
    payment = level_payment(amount, rate, months)
    stressed = level_payment(amount, rate + terms.rate_stress, months)
    return Ability(
        payment=payment,
        dti_before=_ratio(debts, income),
        dti_after=_ratio(debts + payment, income),
        dti_stressed=_ratio(debts + stressed, income),
        pti=_ratio(payment, income),
        residual_income=question.net_income - debts - payment,
        residual_income_stressed=question.net_income - debts - stressed,
        residual_floor=floor,
        max_principal=affordable_principal(
            income, debts, terms, term_months=months, annual_rate=rate
        ),
    )


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return (part / whole).quantize(_SIX_PLACES, ROUND_HALF_UP)
