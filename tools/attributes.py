"""Credit attributes: figures derived from a bureau report as of one day, under fixed names.

The definitions do not change while `VERSION` stays the same. Own accounts are accounts that the
applicant must pay. Authorized-user accounts count for `authorized_user_share` only. Accounts
opened after the day are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from data.contracts.bureau import (
    BureauReport,
    EcoaDesignator,
    PublicRecord,
    PublicRecordStatus,
    PublicRecordType,
    Tradeline,
    TradelineStatus,
    TradelineType,
)
from data.contracts.findings import BureauAttributes
from data.contracts.policy import ReasonCode
from data.rounding import ratio
from tools.base import tool
from tools.obligations import DEFERRED_STUDENT_SHARE, owed_each_month

VERSION = "1.2.0"

ALWAYS_DERIVED = frozenset(
    {
        *("current_dpd_class", "worst_dpd_class_6m", "months_since_30_dpd_6m"),
        *("months_30_dpd_6m", "months_60_dpd_6m", "older_dpd_class_24m"),
    }
)
"""Attributes without a value only where a version before 1.2.0 derived them."""

_ZERO = Decimal(0)
_THIN_TRADES = 3
_THIN_MONTHS = 12
_RECENT, _REMEMBERED = 6, 24
"""Months: the window of the data that the cards were fitted on, and the longest one."""
_BANKRUPTCIES = {PublicRecordType.BANKRUPTCY_CHAPTER_7, PublicRecordType.BANKRUPTCY_CHAPTER_13}
_RECORD_REASONS = {
    PublicRecordType.BANKRUPTCY_CHAPTER_7: ReasonCode.BANKRUPTCY,
    PublicRecordType.BANKRUPTCY_CHAPTER_13: ReasonCode.BANKRUPTCY,
    PublicRecordType.JUDGMENT: ReasonCode.COLLECTION_OR_JUDGMENT,
    PublicRecordType.TAX_LIEN: ReasonCode.TAX_LIEN,
    PublicRecordType.FORECLOSURE: ReasonCode.FORECLOSURE_REPOSSESSION,
}
_LOST = {
    TradelineStatus.CHARGED_OFF,
    TradelineStatus.REPOSSESSED,
    TradelineStatus.FORECLOSED,
}


@tool()
def derive_attributes(
    report: BureauReport,
    as_of: date,
    *,
    other_report: BureauReport | None = None,
    deferred_share: Decimal = DEFERRED_STUDENT_SHARE,
) -> BureauAttributes:
    """Derive all attributes of one report as of one day.

    `other_report` is the primary applicant's, when the report is the co-applicant's: a joint
    account that stands in both is owed once, with the larger payment. A student loan without a
    payment counts with `deferred_share` of its balance per month.
    """
    known = [trade for trade in report.tradelines if trade.opened_on <= as_of]
    own = [trade for trade in known if trade.designator is not EcoaDesignator.AUTHORIZED_USER]
    still_open = [trade for trade in own if trade.status is TradelineStatus.OPEN]
    owed = owed_each_month(still_open, other_report, as_of, deferred_share)
    oldest = _most((_months(trade.opened_on, as_of) for trade in own), max)
    recent_records = [record for record in report.public_records if _is_recent(record, as_of)]
    bankruptcies = [record for record in report.public_records if record.type in _BANKRUPTCIES]
    return BureauAttributes(
        version=VERSION,
        trades_open=len(still_open),
        oldest_trade_months=oldest,
        utilization_revolving=_utilization(still_open),
        worst_dpd_12m=max((_worst_dpd(trade, as_of, 12) for trade in own), default=0),
        worst_dpd_24m=max((_worst_dpd(trade, as_of, 24) for trade in own), default=0),
        current_dpd=max((trade.days_past_due for trade in still_open), default=0),
        months_since_delinquency=_most(
            (since for trade in own if (since := _since_delinquency(trade, as_of)) is not None), min
        ),
        inquiries_6m=sum(
            inquiry.hard and _within(inquiry.inquired_on, as_of, 6) for inquiry in report.inquiries
        ),
        collections_open_amount=_unpaid_collections(report, own, as_of),
        public_record_24m=len(recent_records),
        public_record_kinds=tuple(dict.fromkeys(record.type for record in recent_records)),
        bankruptcy_open=any(record.status is PublicRecordStatus.OPEN for record in bankruptcies),
        months_since_bankruptcy_discharge=_most(
            (
                _months(record.discharged_on or record.filed_on, as_of)
                for record in bankruptcies
                if record.status is PublicRecordStatus.DISCHARGED
            ),
            min,
        ),
        authorized_user_share=_share(len(known) - len(own), len(known)),
        monthly_obligations=owed.without_mortgages,
        mortgage_payment_monthly=owed.mortgages,
        thin_file=len(own) < _THIN_TRADES or oldest is None or oldest < _THIN_MONTHS,
        **_payment_behaviour(own, still_open, as_of),
    )


def joint_attributes(first: BureauAttributes, second: BureauAttributes) -> BureauAttributes:
    """The attributes of two applicants: the sum of obligations, and the weaker other values."""

    def weaker(name: str, choose: Callable[[Iterable[Any]], Any]) -> Any:
        values = (getattr(first, name), getattr(second, name))
        return _most((value for value in values if value is not None), choose)

    worst_is_most = (
        "utilization_revolving worst_dpd_12m worst_dpd_24m current_dpd inquiries_6m "
        "collections_open_amount public_record_24m bankruptcy_open authorized_user_share thin_file "
        "current_dpd_class worst_dpd_class_6m months_30_dpd_6m months_60_dpd_6m older_dpd_class_24m"
    )
    worst_is_least = (
        "trades_open oldest_trade_months months_since_delinquency months_since_30_dpd_6m "
        "months_since_bankruptcy_discharge"
    )
    return BureauAttributes(
        version=VERSION,
        monthly_obligations=first.monthly_obligations + second.monthly_obligations,
        mortgage_payment_monthly=first.mortgage_payment_monthly + second.mortgage_payment_monthly,
        public_record_kinds=tuple(
            dict.fromkeys((*first.public_record_kinds, *second.public_record_kinds))
        ),
        **{name: weaker(name, max) for name in worst_is_most.split()},
        **{name: weaker(name, min) for name in worst_is_least.split()},
    )


def _payment_behaviour(
    own: Sequence[Tradeline], still_open: Iterable[Tradeline], as_of: date
) -> dict[str, int]:
    """The attributes that the fitted cards read: classes and months of delinquency.

    A bureau counts over the life of an account and dates its last delinquency. So the counts of an
    account that was late in the window are taken in full, up to the length of the window.
    """
    ages = [(trade, since) for trade in own if (since := _since_late(trade, as_of)) is not None]
    late = [(trade, since) for trade, since in ages if since < _RECENT]
    older = [trade for trade, since in ages if _RECENT <= since < _REMEMBERED]
    return {
        "current_dpd_class": max((_class(trade.days_past_due) for trade in still_open), default=0),
        "worst_dpd_class_6m": max((_worst_class(trade) for trade, _ in late), default=0),
        "months_since_30_dpd_6m": min((since for _, since in late), default=_RECENT),
        "months_30_dpd_6m": max((_months_late(trade, 30) for trade, _ in late), default=0),
        "months_60_dpd_6m": max((_months_late(trade, 60) for trade, _ in late), default=0),
        "older_dpd_class_24m": max(map(_worst_class, older), default=0),
    }


def _since_late(trade: Tradeline, as_of: date) -> int | None:
    """Months since an account was 30 days late; None when it never was, 0 when no date is known."""
    if trade.days_past_due >= 30:
        return 0
    when = trade.last_delinquency or (trade.closed_on if trade.status in _LOST else None)
    if when is None:
        return 0 if _worst_ever(trade) else None
    return _months(when, as_of)


def _class(days: int) -> int:
    return min(days // 30 * 30, 90)


def _worst_class(trade: Tradeline) -> int:
    """The worst class of an account. The date of a delinquency alone says 30 days."""
    dated = 30 if trade.last_delinquency else 0
    return max(_class(trade.days_past_due), _worst_ever(trade), dated)


def _months_late(trade: Tradeline, days: int) -> int:
    counts = {30: trade.dpd_30_count, 60: trade.dpd_60_count, 90: trade.dpd_90_count}
    months = sum(count for least, count in counts.items() if least >= days)
    return min(max(months, int(_worst_class(trade) >= days)), _RECENT)


def record_reasons(kinds: Iterable[PublicRecordType]) -> tuple[ReasonCode, ...]:
    """What an applicant is told about their public records: each kind by its own name."""
    return tuple(dict.fromkeys(_RECORD_REASONS[kind] for kind in kinds))


def _most(values: Iterable[Any], choose: Callable[[Iterable[Any]], Any]) -> Any:
    found = list(values)
    return choose(found) if found else None


def _months(earlier: date, later: date) -> int:
    """Whole months between two days; zero when `earlier` is not before `later`."""
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    return max(0, months - (later.day < earlier.day))


def _within(day: date, as_of: date, months: int) -> bool:
    return day <= as_of and _months(day, as_of) < months


def _share(part: int, whole: int) -> Decimal | None:
    return ratio(Decimal(part), Decimal(whole)) if whole else None


def _utilization(trades: Iterable[Tradeline]) -> Decimal | None:
    """Balances over limits. Accounts without a limit are ignored."""
    revolving = [trade for trade in trades if trade.type is TradelineType.REVOLVING and trade.limit]
    limits = sum((trade.limit or _ZERO for trade in revolving), _ZERO)
    if not limits:
        return None
    return ratio(sum((max(trade.balance, _ZERO) for trade in revolving), _ZERO), limits)


def _worst_dpd(trade: Tradeline, as_of: date, months: int) -> int:
    """The worst days-past-due class of an account within a window.

    The bureau counts over the whole life of the account and dates only the last delinquency. So
    an account that was late within the window counts with its worst class. A delinquency without
    a date counts as within the window.
    """
    when = trade.last_delinquency or (trade.closed_on if trade.status in _LOST else None)
    recent = _worst_ever(trade) if when is None or _within(when, as_of, months) else 0
    return max(recent, trade.days_past_due)


def _worst_ever(trade: Tradeline) -> int:
    """The worst class that the bureau counted for an account, whenever that was."""
    classes = (
        (90, trade.dpd_90_count or trade.status in _LOST),
        (60, trade.dpd_60_count),
        (30, trade.dpd_30_count),
    )
    return next((days for days, happened in classes if happened), 0)


def _since_delinquency(trade: Tradeline, as_of: date) -> int | None:
    if trade.days_past_due >= 30:
        return 0
    return None if trade.last_delinquency is None else _months(trade.last_delinquency, as_of)


def _unpaid_collections(report: BureauReport, own: Iterable[Tradeline], as_of: date) -> Decimal:
    unpaid = sum(
        (
            collection.amount
            for collection in report.collections
            if not collection.paid and _within(collection.reported_on, as_of, 12)
        ),
        _ZERO,
    )
    for trade in own:
        when = trade.last_delinquency or trade.closed_on or as_of
        if trade.status is TradelineStatus.CHARGED_OFF and _within(when, as_of, 12):
            unpaid += max(trade.balance, _ZERO)
    return unpaid


def _is_recent(record: PublicRecord, as_of: date) -> bool:
    """Whether a record is open, or was filed or discharged within 24 months."""
    if record.status is PublicRecordStatus.OPEN:
        return True
    latest = max(record.filed_on, record.discharged_on or record.filed_on)
    return _within(latest, as_of, 24)
