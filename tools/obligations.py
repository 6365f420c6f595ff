"""What a bureau file says that its applicant owes each month."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from data.contracts.bureau import (
    READABLE_FILES,
    BureauReport,
    EcoaDesignator,
    Tradeline,
    TradelineStatus,
    TradelineType,
)
from data.rounding import cents

DEFERRED_STUDENT_SHARE = Decimal("0.01")
"""The monthly payment of a student loan that has none yet, as a share of its balance."""

_REVOLVING_MINIMUM = Decimal("0.05")
_ZERO = Decimal(0)

_Account = tuple[TradelineType, date]
"""What two bureau files say alike of one joint account."""


class Owed(NamedTuple):
    """Payments in dollars per month."""

    without_mortgages: Decimal
    mortgages: Decimal


def owed_each_month(
    trades: Iterable[Tradeline],
    other_report: BureauReport | None,
    as_of: date,
    deferred_share: Decimal = DEFERRED_STUDENT_SHARE,
) -> Owed:
    """The payments on open accounts, less what the other file has counted for joint ones."""
    counted = _joint_payments(other_report, as_of, deferred_share)
    mortgages = others = _ZERO
    for trade in sorted(trades, key=lambda trade: _payment(trade, deferred_share), reverse=True):
        payment = _payment(trade, deferred_share)
        known = counted.get((trade.type, trade.opened_on))
        if trade.designator is EcoaDesignator.JOINT and known:
            payment = max(_ZERO, payment - known.pop(0))
        if trade.type is TradelineType.MORTGAGE:
            mortgages += payment
        else:
            others += payment
    return Owed(cents(others), cents(mortgages))


def _joint_payments(
    report: BureauReport | None, as_of: date, deferred_share: Decimal
) -> dict[_Account, list[Decimal]]:
    """The payments on the open joint accounts of a file, the largest first."""
    found: dict[_Account, list[Decimal]] = {}
    for trade in report.tradelines if report and report.status in READABLE_FILES else ():
        is_joint = trade.designator is EcoaDesignator.JOINT
        if is_joint and trade.status is TradelineStatus.OPEN and trade.opened_on <= as_of:
            payments = found.setdefault((trade.type, trade.opened_on), [])
            payments.append(_payment(trade, deferred_share))
            payments.sort(reverse=True)
    return found


def _payment(trade: Tradeline, deferred_share: Decimal) -> Decimal:
    """The monthly payment. A revolving balance without a reported payment counts with 5 %, and a
    deferred student loan with the lender's share of its balance."""
    if trade.payment_monthly == 0 and trade.balance > 0:
        if trade.type is TradelineType.REVOLVING:
            return trade.balance * _REVOLVING_MINIMUM
        if trade.type is TradelineType.STUDENT:
            return trade.balance * deferred_share
    return trade.payment_monthly
