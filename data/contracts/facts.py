"""The facts that the policy may use: one flat, closed list for one case.

None always means "not known". It never means "does not exist".
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from data.contracts.application import Product, StateCode
from data.contracts.base import Contract, Money, Rate
from data.contracts.bureau import BureauAlert, BureauStatus
from data.contracts.decision import Grade
from data.contracts.findings import (
    FraudBand,
    IdentityStatus,
    IncomeVerdict,
    WatchlistStatus,
)
from data.contracts.quantities import Count, Months, Share


class PolicyFacts(Contract):
    """Amounts in US dollars, per month unless said otherwise. Rates are fractions."""

    product: Product
    amount_requested: Money
    term_months: Months
    state: StateCode
    youngest_age: Count
    """Age of the younger applicant on the as-of date, in completed years."""
    covered_borrower: bool

    identity_status: IdentityStatus | None = None
    identity_document_expired: bool | None = None
    watchlist_status: WatchlistStatus | None = None

    fraud_band: FraudBand | None = None
    fraud_score: Count | None = None

    income_verdict: IncomeVerdict | None = None
    income_deviation: Rate | None = None
    verified_monthly_income: Money | None = None
    garnishment: bool | None = None
    nsf_count: Count | None = None
    income_limit: Money | None = None
    """The largest amount that verified income supports."""
    amount_over_income_limit: Money | None = None
    """The requested amount less `income_limit`; negative when the request is lower."""

    bureau_status: BureauStatus | None = None
    bureau_report_age_days: Count | None = None
    bureau_score: Count | None = None
    bureau_alerts: tuple[BureauAlert, ...] | None = None
    unanswered_alerts: Count | None = None
    """How many alerts require a proof of identity that the applicant has not given."""
    trades_open: Count | None = None
    thin_file: bool | None = None
    worst_dpd_12m: Count | None = None
    worst_dpd_24m: Count | None = None
    current_dpd: Count | None = None
    inquiries_6m: Count | None = None
    public_record_24m: Count | None = None
    collections_open_amount: Money | None = None
    bankruptcy_open: bool | None = None
    bankruptcy_discharged: bool | None = None
    months_since_bankruptcy_discharge: Months | None = None
    """None also without any bankruptcy: check `bankruptcy_discharged` first."""
    utilization_revolving: Rate | None = None
    """None also without a revolving limit."""

    pd: Share | None = None
    grade: Grade | None = None
    disagreement: Rate | None = None
    dti_before: Rate | None = None
    dti_after: Rate | None = None
    dti_stressed: Rate | None = None
    payment_to_income: Rate | None = None
    residual_margin: Money | None = None
    """Residual income above the living floor; negative below it."""
    residual_margin_stressed: Money | None = None
    affordable_principal: Money | None = None
    """The largest amount that keeps debt to income within the cap."""


TERM_FACTS = frozenset(
    {
        "amount_requested",
        "term_months",
        "amount_over_income_limit",
        "dti_after",
        "dti_stressed",
        "payment_to_income",
        "residual_margin",
        "residual_margin_stressed",
    }
)
"""The facts that depend on the amount, the term or the rate."""


def fact_type(name: str) -> type:
    """The Python type of a fact, without its None. Raises KeyError for an unknown fact."""
    found = _without_none(name)
    return cast(type, get_origin(found) or found)


def fact_item_type(name: str) -> type:
    """The type of the items of a fact that is a list."""
    return cast(type, get_args(_without_none(name))[0])


def _without_none(name: str) -> Any:
    found: Any = PolicyFacts.model_fields[name].annotation
    if get_origin(found) in (Union, UnionType):
        found = next(option for option in get_args(found) if option is not type(None))
    return get_args(found)[0] if get_origin(found) is Annotated else found
