"""How amounts, rates and scores are rounded, with one function for each quantity.

Every function rounds half up unless its docstring says otherwise.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, ROUND_UP, Decimal

_CENT = Decimal("0.01")
_FOUR_PLACES = Decimal("0.0001")
_SIX_PLACES = Decimal("0.000001")


def cents(amount: Decimal) -> Decimal:
    """Round an amount to the cent."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def cents_down(amount: Decimal) -> Decimal:
    """Round an amount down to the cent, for a maximum that a loan must not exceed."""
    return amount.quantize(_CENT, ROUND_FLOOR)


def cents_up(amount: Decimal) -> Decimal:
    """Round an amount away from zero to the cent."""
    return amount.quantize(_CENT, ROUND_UP)


def rate(value: Decimal | float) -> Decimal:
    """Round a rate, a probability or a gap of log-odds to six places."""
    return Decimal(value).quantize(_SIX_PLACES, ROUND_HALF_UP)


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """Divide and round to six places. `whole` must not be zero."""
    return rate(part / whole)


def four_places(value: Decimal | float) -> Decimal:
    """Round scorecard points, or a measure of income, to four places."""
    return Decimal(value).quantize(_FOUR_PLACES, ROUND_HALF_UP)


def match_score(score: float) -> Decimal:
    """Round a similarity from 0 to 100 to two places. Half of a hundredth goes to even."""
    return Decimal(str(round(score, 2)))


def whole_steps(amount: Decimal, step: Decimal) -> int:
    """How many whole steps fit into an amount, rounded down."""
    return int((amount / step).to_integral_value(ROUND_FLOOR))
