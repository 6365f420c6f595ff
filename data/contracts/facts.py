"""The facts that the policy may use: one flat, closed list for one case.

None always means "not known". It never means "does not exist".
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from data.contracts.application import Product, StateCode
from data.contracts.base import Contract, Money, Rate
from data.contracts.bureau import BureauAlert, BureauStatus
from data.contracts.decision import Grade
from data.contracts.findings import FraudBand, IdentityStatus, IncomeVerdict
from data.contracts.quantities import Count, Months, Share
from data.contracts.screening import WatchlistStatus


class PolicyFacts(Contract):
    """Amounts in US dollars, per month unless said otherwise. Rates are fractions."""

    product: Product
    amount_requested: Money
    term_months: Months
    state: StateCode
    """Of residence. Where two applicants live in two states, the one with the lower ceiling."""
    youngest_age: Count
    """Age of the younger applicant on the as-of date, in completed years. No pack may use it any
    more; rules that older runs have pinned still do."""
    covered_borrower: bool | None = None
    """None when it is not known of an applicant."""
    years_below_capacity: Count | None = None
    """The most years that an applicant lacks to the legal capacity of their own state."""
    street_address: bool | None = None
    """Whether every applicant has given a street address."""
    apr_cap: Rate | None = None
    """The ceiling of the APR in `state`; None where the lender has no price."""

    degraded_texts: Count | None = None
    """How many findings on identity, fraud, income and bureau have lost the text of their chat
    model. The findings are those of the rules in either case. 0 on a desk of rules."""
    reading_differences: Count | None = None
    """How many values a chat model has read otherwise than the parser, whose values count. None
    when no chat model was asked to read the documents."""

    identity_status: IdentityStatus | None = None
    identity_document_expired: bool | None = None
    watchlist_status: WatchlistStatus | None = None

    fraud_band: FraudBand | None = None
    fraud_score: Count | None = None
    fraud_signals_known: bool | None = None
    """Whether the signals of device and network were there to be judged."""

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
    dti_front: Rate | None = None
    """Housing over income."""
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


class Axis(NamedTuple):
    """The values that a fact can have, from the lowest to the highest."""

    step: Decimal
    """The distance between two neighbouring values."""
    least: Decimal | None
    most: Decimal | None
    better: Literal["low", "high"] | None
    """The end of the axis for which a policy has no reason to ask or to decline; None where that is
    in the middle."""
    words: tuple[str, ...] = ()
    """The values of a fact in words, from the best to the worst. Its axis is their places."""


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_BETTER_LOW = _names(
    """
    years_below_capacity fraud_score income_deviation nsf_count amount_over_income_limit
    bureau_report_age_days unanswered_alerts worst_dpd_12m worst_dpd_24m current_dpd inquiries_6m
    public_record_24m collections_open_amount utilization_revolving pd disagreement dti_before
    dti_after dti_front dti_stressed payment_to_income
    """
)
_BETTER_HIGH = _names(
    """
    verified_monthly_income income_limit bureau_score trades_open
    months_since_bankruptcy_discharge residual_margin residual_margin_stressed
    affordable_principal
    """
)


_BEST_FIRST = (FraudBand, Grade, IdentityStatus, IncomeVerdict, WatchlistStatus)
"""The kinds of words with an order."""


@lru_cache(maxsize=256)
def axis_of(name: str) -> Axis | None:
    """The axis of a fact; None for a fact without an order. Raises KeyError for an unknown fact."""
    kind = fact_type(name)
    if issubclass(kind, _BEST_FIRST):
        words = tuple(member.value for member in kind)
        return Axis(Decimal(1), Decimal(0), Decimal(len(words) - 1), "low", words)
    if kind not in (int, Decimal):
        return None
    low, high = name in _BETTER_LOW, name in _BETTER_HIGH
    better: Literal["low", "high"] | None = "low" if low else "high" if high else None
    if kind is int:
        return Axis(Decimal(1), Decimal(0), None, better)
    option = _option(name)
    step = Decimal("0.01") if option is Money else Decimal("0.000001")
    is_share = option is Share
    return Axis(step, Decimal(0) if is_share else None, Decimal(1) if is_share else None, better)


def fact_type(name: str) -> type:
    """The Python type of a fact, without its None. Raises KeyError for an unknown fact."""
    found = _without_none(name)
    return cast(type, get_origin(found) or found)


def fact_item_type(name: str) -> type:
    """The type of the items of a fact that is a list."""
    return cast(type, get_args(_without_none(name))[0])


def _without_none(name: str) -> Any:
    found = _option(name)
    return get_args(found)[0] if get_origin(found) is Annotated else found


def _option(name: str) -> Any:
    """The annotation of a fact without its None."""
    found: Any = _HINTS[name]
    if get_origin(found) in (Union, UnionType):
        found = next(option for option in get_args(found) if option is not type(None))
    return found


_HINTS = get_type_hints(PolicyFacts, include_extras=True)
"""Pydantic's own fields strip the alias, such as Money, from a fact that is always known."""
