"""Each credit attribute on small reports with an obvious result."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from data.contracts.bureau import (
    BureauReport,
    BureauStatus,
    Collection,
    EcoaDesignator,
    Inquiry,
    PublicRecord,
    PublicRecordStatus,
    PublicRecordType,
    Tradeline,
    TradelineStatus,
    TradelineType,
)
from data.contracts.findings import BureauAttributes
from tools.attributes import derive_attributes, joint_attributes

AS_OF = date(2026, 11, 2)


def _trade(**changes: Any) -> Tradeline:
    return Tradeline.model_validate(
        {
            "type": TradelineType.REVOLVING,
            "opened_on": date(2020, 1, 15),
            "limit": "1000",
            "balance": "250",
            "payment_monthly": "25",
        }
        | changes
    )


def _derive(*trades: Tradeline, **changes: Any) -> BureauAttributes:
    report = BureauReport.model_validate(
        {
            "bureau": "Bureau",
            "report_date": AS_OF,
            "status": BureauStatus.HIT,
            "tradelines": trades,
        }
        | changes
    )
    return derive_attributes(report, AS_OF)


def test_utilization_is_balances_over_limits() -> None:
    found = _derive(_trade(), _trade(limit="3000", balance="1250"))

    assert found.utilization_revolving == Decimal("0.375")


@pytest.mark.parametrize("limit", [None, "0"])
def test_a_card_without_a_limit_does_not_divide_by_zero(limit: str | None) -> None:
    assert _derive(_trade(limit=limit)).utilization_revolving is None
    assert _derive(_trade(limit=limit), _trade()).utilization_revolving == Decimal("0.25")


def test_a_negative_balance_counts_as_none() -> None:
    assert _derive(_trade(balance="-80.00")).utilization_revolving == 0


def test_borrowed_accounts_count_for_nothing_but_their_share() -> None:
    found = _derive(_trade(), _trade(designator=EcoaDesignator.AUTHORIZED_USER, balance="1000"))

    assert found.trades_open == 1
    assert found.authorized_user_share == Decimal("0.5")
    assert found.utilization_revolving == Decimal("0.25")
    assert found.monthly_obligations == 25


def test_an_account_opened_in_the_future_is_left_out() -> None:
    found = _derive(_trade(), _trade(opened_on=date(2026, 11, 3)))

    assert found.trades_open == 1
    assert found.monthly_obligations == 25


def test_the_oldest_account_is_counted_in_whole_months() -> None:
    assert _derive(_trade(opened_on=date(2025, 11, 3))).oldest_trade_months == 11
    assert _derive(_trade(opened_on=date(2025, 11, 2))).oldest_trade_months == 12


@pytest.mark.parametrize(
    ("count", "opened_on", "thin"),
    [
        (3, date(2020, 1, 1), False),
        (2, date(2020, 1, 1), True),
        (3, date(2026, 1, 1), True),
        (0, date(2020, 1, 1), True),
    ],
)
def test_fewer_than_three_accounts_or_a_young_file_is_thin(
    count: int, opened_on: date, thin: bool
) -> None:
    assert _derive(*[_trade(opened_on=opened_on)] * count).thin_file is thin


@pytest.mark.parametrize(
    ("last", "worst_12m", "worst_24m"),
    [(date(2026, 5, 1), 60, 60), (date(2025, 6, 1), 0, 60), (date(2024, 6, 1), 0, 0)],
)
def test_lateness_counts_within_its_window(last: date, worst_12m: int, worst_24m: int) -> None:
    found = _derive(_trade(dpd_30_count=2, dpd_60_count=1, last_delinquency=last))

    assert (found.worst_dpd_12m, found.worst_dpd_24m) == (worst_12m, worst_24m)


def test_lateness_without_a_date_counts_as_recent() -> None:
    assert _derive(_trade(dpd_90_count=1)).worst_dpd_12m == 90


def test_an_account_late_today_was_late_zero_months_ago() -> None:
    found = _derive(_trade(days_past_due=65, last_delinquency=date(2026, 1, 1)))

    assert found.current_dpd == 65
    assert found.months_since_delinquency == 0


def test_a_clean_file_has_no_months_since_delinquency() -> None:
    assert _derive(_trade()).months_since_delinquency is None


def test_only_hard_inquiries_of_the_last_six_months_count() -> None:
    found = _derive(
        inquiries=(
            Inquiry(inquired_on=date(2026, 10, 1)),
            Inquiry(inquired_on=date(2026, 5, 3)),
            Inquiry(inquired_on=date(2026, 5, 2)),
            Inquiry(inquired_on=date(2026, 10, 1), hard=False),
            Inquiry(inquired_on=date(2026, 11, 9)),
        )
    )

    assert found.inquiries_6m == 2


def test_unpaid_collections_and_charge_offs_of_a_year_add_up() -> None:
    found = _derive(
        _trade(
            status=TradelineStatus.CHARGED_OFF, balance="300", last_delinquency=date(2026, 3, 1)
        ),
        collections=(
            Collection(amount=Decimal(200), reported_on=date(2026, 2, 1)),
            Collection(amount=Decimal(900), reported_on=date(2026, 2, 1), paid=True),
            Collection(amount=Decimal(900), reported_on=date(2025, 10, 1)),
        ),
    )

    assert found.collections_open_amount == 500
    assert found.worst_dpd_12m == 90


def _record(status: PublicRecordStatus, filed: date, discharged: date | None) -> PublicRecord:
    return PublicRecord(
        type=PublicRecordType.BANKRUPTCY_CHAPTER_7,
        filed_on=filed,
        status=status,
        discharged_on=discharged,
    )


def test_a_discharged_bankruptcy_is_dated_from_its_discharge() -> None:
    record = _record(PublicRecordStatus.DISCHARGED, date(2024, 1, 5), date(2025, 9, 2))
    found = _derive(public_records=(record,))

    assert found.months_since_bankruptcy_discharge == 14
    assert not found.bankruptcy_open
    assert found.public_record_24m == 1


def test_an_open_bankruptcy_is_recent_however_old() -> None:
    found = _derive(public_records=(_record(PublicRecordStatus.OPEN, date(2019, 1, 5), None),))

    assert found.bankruptcy_open
    assert found.public_record_24m == 1
    assert found.months_since_bankruptcy_discharge is None


def test_an_old_judgment_is_not_recent() -> None:
    record = PublicRecord(
        type=PublicRecordType.JUDGMENT,
        filed_on=date(2023, 1, 5),
        status=PublicRecordStatus.SATISFIED,
    )

    assert _derive(public_records=(record,)).public_record_24m == 0


def test_a_card_that_reports_no_payment_costs_five_percent_of_its_balance() -> None:
    assert _derive(_trade(payment_monthly="0")).monthly_obligations == Decimal("12.50")


def test_closed_accounts_and_mortgages_are_no_obligations_of_this_kind() -> None:
    found = _derive(
        _trade(status=TradelineStatus.CLOSED),
        _trade(type=TradelineType.MORTGAGE, payment_monthly="1200"),
        _trade(type=TradelineType.AUTO, payment_monthly="310"),
    )

    assert found.monthly_obligations == 310
    assert found.mortgage_payment_monthly == 1200


def test_two_applicants_owe_together_and_are_as_good_as_the_weaker() -> None:
    strong = _derive(*[_trade()] * 4)
    weak = _derive(_trade(balance="900", dpd_30_count=1, last_delinquency=date(2026, 8, 1)))

    joint = joint_attributes(strong, weak)

    assert joint.monthly_obligations == 125
    assert joint.utilization_revolving == Decimal("0.9")
    assert joint.worst_dpd_12m == 30
    assert joint.months_since_delinquency == 3
    assert joint.trades_open == 1
    assert joint.thin_file


def _report(*trades: Tradeline, status: BureauStatus = BureauStatus.HIT) -> BureauReport:
    return BureauReport(bureau="Bureau", report_date=AS_OF, status=status, tradelines=trades)


def _beside(first: BureauReport, *trades: Tradeline) -> BureauAttributes:
    """The attributes of the co-applicant's file, beside the primary applicant's."""
    return derive_attributes(_report(*trades), AS_OF, other_report=first)


_JOINT_CAR = _trade(
    type=TradelineType.AUTO, designator=EcoaDesignator.JOINT, payment_monthly="900", limit="40000"
)


def test_a_joint_account_of_both_files_is_owed_once() -> None:
    first = _report(_trade(), _JOINT_CAR)

    assert derive_attributes(first, AS_OF).monthly_obligations == 925
    assert _beside(first, _trade(), _JOINT_CAR).monthly_obligations == 25


@pytest.mark.parametrize(
    "first",
    [
        _report(_trade()),
        _report(_JOINT_CAR, status=BureauStatus.FROZEN),
        _report(_JOINT_CAR.model_copy(update={"status": TradelineStatus.CLOSED})),
        _report(_JOINT_CAR.model_copy(update={"opened_on": date(2021, 1, 15)})),
    ],
)
def test_a_joint_account_that_only_the_second_file_shows_open_is_owed(
    first: BureauReport,
) -> None:
    assert _beside(first, _JOINT_CAR).monthly_obligations == 900


def test_of_a_joint_account_the_larger_payment_is_owed() -> None:
    lower = _JOINT_CAR.model_copy(update={"payment_monthly": Decimal(700)})

    assert _beside(_report(lower), _JOINT_CAR).monthly_obligations == 200
    assert _beside(_report(_JOINT_CAR), lower).monthly_obligations == 0


def test_two_joint_accounts_of_one_day_are_two_accounts() -> None:
    assert _beside(_report(_JOINT_CAR), _JOINT_CAR, _JOINT_CAR).monthly_obligations == 900


def test_a_joint_mortgage_of_both_files_is_paid_once() -> None:
    home = _JOINT_CAR.model_copy(update={"type": TradelineType.MORTGAGE})

    assert _beside(_report(home), home).mortgage_payment_monthly == 0
    assert _beside(_report(), home).mortgage_payment_monthly == 900


@pytest.mark.parametrize(
    ("payment", "owed"), [("0", Decimal("900.00")), ("250", Decimal("250.00"))]
)
def test_a_deferred_student_loan_costs_one_percent_of_its_balance(
    payment: str, owed: Decimal
) -> None:
    loan = _trade(type=TradelineType.STUDENT, balance="90000", payment_monthly=payment)

    assert _derive(loan).monthly_obligations == owed


def test_the_lender_sets_the_share_of_a_deferred_student_loan() -> None:
    loan = _trade(type=TradelineType.STUDENT, balance="90000", payment_monthly="0")

    found = derive_attributes(_report(loan), AS_OF, deferred_share=Decimal("0.005"))

    assert found.monthly_obligations == 450


def test_an_empty_report_has_no_attributes_to_guess_from() -> None:
    found = _derive()

    assert found.oldest_trade_months is None
    assert found.utilization_revolving is None
    assert found.authorized_user_share is None
    assert found.thin_file


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ({}, (0, 6, 0, 0)),
        ({"days_past_due": 29}, (0, 6, 0, 0)),
        ({"days_past_due": 65}, (60, 0, 1, 0)),
        ({"dpd_30_count": 9, "last_delinquency": date(2026, 6, 1)}, (30, 5, 6, 0)),
        ({"dpd_60_count": 2, "last_delinquency": date(2026, 5, 2)}, (0, 6, 0, 60)),
        ({"last_delinquency": date(2024, 12, 1)}, (0, 6, 0, 30)),
        ({"dpd_90_count": 1, "last_delinquency": date(2024, 11, 2)}, (0, 6, 0, 0)),
        ({"dpd_90_count": 1}, (90, 0, 1, 0)),
        (
            {"status": TradelineStatus.CHARGED_OFF, "closed_on": date(2026, 1, 5)},
            (0, 6, 0, 90),
        ),
    ],
)
def test_a_delinquency_counts_in_the_window_in_which_it_was(
    late: dict[str, Any], expected: tuple[int, int, int, int]
) -> None:
    found = _derive(_trade(), _trade(**late))

    assert (
        found.worst_dpd_class_6m,
        found.months_since_30_dpd_6m,
        found.months_30_dpd_6m,
        found.older_dpd_class_24m,
    ) == expected
