"""The questions to the credit-risk and underwriting agents that need only a part of a case."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from data.contracts.application import ApplicantRole, NonNegativeMoney
from data.contracts.base import Contract, Day, Money, Rate, Sha256
from data.contracts.decision import (
    Condition,
    Grade,
    HumanRuling,
    Offer,
    Outcome,
    RequestedTerms,
    Versions,
)
from data.contracts.facts import PolicyFacts
from data.contracts.findings import (
    AffordabilityFinding,
    BureauAttributes,
    BureauFinding,
    PricingFinding,
    RiskFinding,
)
from data.contracts.policy import PolicyResult
from data.contracts.quantities import Count, Months


class ScoringQuestion(Contract):
    """How likely is a default, by these attributes?"""

    attributes: BureauAttributes


class AffordabilityQuestion(Contract):
    """Can this income repay this loan? Amounts in US dollars, per month."""

    amount: Money
    """Of the loan."""
    term_months: Months
    annual_rate: Rate
    verified_income: NonNegativeMoney
    net_income: NonNegativeMoney
    obligations: NonNegativeMoney
    housing: NonNegativeMoney
    adults: Annotated[Count, Field(ge=1)] = 1
    dependents: Count
    first_months: Annotated[Rate, Field(gt=0)] = Decimal(1)
    """The time to the first payment."""


class PricingQuestion(Contract):
    """What does this loan cost, and which offers are possible instead?"""

    facts: PolicyFacts
    """The facts for the requested terms."""
    grade: Grade | None
    """None when no scorecard could score; such a loan has its own price."""
    ability: AffordabilityFinding | None
    as_of_date: Day
    first_payment_on: Day | None = None
    is_approved: bool = False
    """Whether the policy approves the requested terms. Then other offers are not sought."""


class DecisionQuestion(Contract):
    """Everything that the decision depends on. The outcome is already decided."""

    inputs_sha256: Sha256
    as_of_date: Day
    versions: Versions
    requested: RequestedTerms
    applicants: tuple[ApplicantRole, ...] = (ApplicantRole.PRIMARY,)
    due_by: Day | None = None
    """The last day for the letters."""
    outcome: Outcome
    policy: PolicyResult | None = None
    """None when the case ended before the policy ran."""
    risk: RiskFinding | None = None
    bureau: BureauFinding | None = None
    pricing: PricingFinding | None = None
    offer: Offer | None = None
    """The offer when a reviewer changed the terms; otherwise the offer comes from `pricing`."""
    rulings: tuple[HumanRuling, ...] = ()
    conditions: tuple[Condition, ...] = ()
