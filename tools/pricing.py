"""The price of a loan: rate, fee, payments, finance charge and APR.

The disclosed total, finance charge and APR assume equal payments and ignore the few cents by which
the last payment differs, as Regulation Z allows (12 CFR 1026.17(c)(3)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from data.contracts.decision import AdjustedTerms, Grade, Offer
from data.contracts.errors import AnswerRejectedError, RecordCorruptError, ToolError
from data.contracts.prices import PriceTable
from data.rounding import cents
from tools.amortization import level_payment, schedule
from tools.apr import annual_percentage_rate, finance_charge, time_to_first_payment
from tools.base import tool
from tools.versioned_data import load_versioned

_BASIS_POINT = Decimal("0.0001")


def load_prices(data_dir: Path, name: str = "prices") -> PriceTable:
    """Read `policy/<name>.yaml`. Raises as `load_price_table`."""
    return load_price_table(data_dir / "policy" / f"{name}.yaml")


def load_price_table(path: Path) -> PriceTable:
    """Read a table. Raises RecordNotFoundError or RecordCorruptError.

    A table that would price a loan in a state that it does not list, or below its cost, is refused.
    """
    prices = load_versioned(path, PriceTable)
    if not prices.apr_caps.only_listed_states:
        raise RecordCorruptError(f"{path.name}: /apr_caps/only_listed_states: must be true")
    if prices.floor is None:
        raise RecordCorruptError(
            f"{path.name}: /floor: is missing: no loan is priced below its cost"
        )
    return prices


def priced(
    prices: PriceTable,
    *,
    amount: Decimal,
    term_months: int,
    grade: Grade | None,
    state: str,
    covered_borrower: bool,
    as_of: date,
    first_payment_on: date | None = None,
    rate: Decimal | None = None,
) -> Offer:
    """Price one loan at the rate of the table, or at `rate` when a reviewer set it.

    A rate of the table is lowered by whole basis points until the APR is within every cap, but not
    below the floor of the grade. A reviewer's rate is not changed. Raises ToolError when no rate
    is low enough, when a reviewer's rate gives an APR above the cap or is below the floor, or when
    the table does not list the state.
    """
    priced_as = grade or prices.ungraded_as
    cap = prices.apr_caps.for_loan(state, covered_borrower=covered_borrower)
    if cap is None:
        raise ToolError("the lender has no price in the state of residence")

    def offer_at(chosen: Decimal) -> Offer:
        return _offer(prices, amount, term_months, priced_as, chosen, as_of, first_payment_on)

    floor = prices.floor_of(priced_as)
    if rate is not None:
        if rate < floor:
            raise ToolError(f"the rate does not cover the cost of this grade: at least {floor:f}")
        offer = offer_at(rate)
        if offer.apr > cap:
            raise ToolError("the APR at this rate is above its ceiling: choose a lower rate")
        return offer
    offer = offer_at(prices.base_rate(priced_as, term_months))
    return offer if offer.apr <= cap else _capped(offer_at, offer.rate, floor, cap)


price_offer = tool(name="price_offer")(priced)
"""`priced` as a tool: traced and recorded."""


def price_adjusted(
    prices: PriceTable,
    adjusted: AdjustedTerms,
    *,
    amount: Decimal,
    term_months: int,
    grade: Grade | None,
    state: str,
    covered_borrower: bool,
    as_of: date,
    first_payment_on: date | None = None,
) -> Offer:
    """Price the terms that a reviewer chose. Other terms stay as requested.

    Raises AnswerRejectedError, which names the field, when the term has no price, when the rate
    is outside the lender's range or below the floor of the grade, or when the APR is above its
    cap. With a rate of the table, the field is the term, because the term is too short.
    """
    months = adjusted.term_months or term_months
    shortest, longest = prices.terms[0], prices.terms[-1]
    if not shortest <= months <= longest:
        raise AnswerRejectedError(
            f"the term must be from {shortest} to {longest} months", field="term_months"
        )
    lowest, highest = prices.lowest_rate, prices.highest_rate
    if adjusted.rate is not None and not lowest <= adjusted.rate <= highest:
        raise AnswerRejectedError(f"the rate must be from {lowest} to {highest}", field="rate")
    try:
        return price_offer(
            prices,
            amount=adjusted.amount or amount,
            term_months=months,
            grade=grade,
            state=state,
            covered_borrower=covered_borrower,
            as_of=as_of,
            first_payment_on=first_payment_on,
            rate=adjusted.rate,
        )
    except ToolError as error:
        field = "term_months" if adjusted.rate is None else "rate"
        raise AnswerRejectedError(error.message, field=field) from None


def _capped(
    offer_at: Callable[[Decimal], Offer], too_high: Decimal, floor: Decimal, cap: Decimal
) -> Offer:
    """The offer at the highest rate in whole basis points whose APR is within the cap."""
    low, high = math.ceil(floor / _BASIS_POINT), int(too_high / _BASIS_POINT)
    if offer_at(low * _BASIS_POINT).apr > cap:
        raise ToolError("no rate that covers the cost keeps the APR within its ceiling")
    while high - low > 1:
        middle = (low + high) // 2
        if offer_at(middle * _BASIS_POINT).apr > cap:
            high = middle
        else:
            low = middle
    return offer_at(low * _BASIS_POINT)


def _offer(
    prices: PriceTable,
    amount: Decimal,
    term_months: int,
    grade: Grade,
    rate: Decimal,
    as_of: date,
    first_payment_on: date | None,
) -> Offer:
    first = time_to_first_payment(as_of, first_payment_on)
    payment = level_payment(amount, rate, term_months, first.length)
    payments = [payment] * term_months
    fee = cents(amount * prices.origination_fee[grade])
    return Offer(
        amount=amount,
        term_months=term_months,
        rate=rate,
        apr=annual_percentage_rate(amount - fee, payments, first=first),
        payment=payment,
        final_payment=schedule(amount, rate, term_months, first.length)[-1].payment,
        fee=fee,
        finance_charge=finance_charge(amount - fee, payments),
        total_of_payments=payment * term_months,
        grade=grade,
        expires_on=as_of + timedelta(days=prices.offer_valid_days),
        first_payment_on=first_payment_on,
    )
