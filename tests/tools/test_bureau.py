"""The reports that the bureau tool returns, and its problems and warnings about them."""

from datetime import date
from typing import Any

import pytest

from data.contracts.application import ApplicantRole
from data.contracts.bureau import (
    BureauReport,
    BureauScore,
    BureauStatus,
    Tradeline,
    TradelineType,
)
from data.contracts.case import CaseFile
from data.contracts.errors import ToolUnavailableError
from data.settings import Settings
from tools.bureau import fetch_bureau_report, report_problem, report_warnings, usable_score
from tools.case_files import load_case

DATA = Settings().data_dir
AS_OF = date(2026, 11, 2)


@pytest.mark.parametrize(
    ("case_id", "status"),
    [
        ("ada-prime", BureauStatus.HIT),
        ("theo-thinfile", BureauStatus.THIN),
        ("nora-nohit", BureauStatus.NO_HIT),
        ("fay-freeze", BureauStatus.FROZEN),
    ],
)
async def test_every_report_is_an_answer(case_id: str, status: BureauStatus) -> None:
    report = await fetch_bureau_report(load_case(DATA, case_id))

    assert report.status is status


async def test_an_error_of_the_bureau_is_worth_another_try() -> None:
    with pytest.raises(ToolUnavailableError, match="error") as failed:
        await fetch_bureau_report(load_case(DATA, "tim-timeout"))

    assert failed.value.tool == "fetch_bureau_report"


async def test_a_bureau_that_sent_nothing_is_unavailable() -> None:
    case = load_case(DATA, "ada-prime")
    silent = CaseFile(application=case.application)

    with pytest.raises(ToolUnavailableError, match="no report on the primary applicant"):
        await fetch_bureau_report(silent)


async def test_the_co_applicant_has_a_report_of_their_own() -> None:
    case = load_case(DATA, "jo-kit-joint")

    assert await fetch_bureau_report(case, ApplicantRole.CO) == case.co_bureau_report


def _report(**changes: Any) -> BureauReport:
    return BureauReport.model_validate(
        {"bureau": "Bureau", "report_date": AS_OF, "status": BureauStatus.HIT} | changes
    )


def _score(value: int) -> BureauScore:
    return BureauScore(value=value, model="Score", scored_on=AS_OF)


@pytest.mark.parametrize("value", [9000, 9003, 299, 851, 0])
def test_a_special_code_is_no_score(value: int) -> None:
    report = _report(score=_score(value))

    assert usable_score(report) is None
    assert report_warnings(report, AS_OF) == ("score_not_a_score",)


@pytest.mark.parametrize("value", [300, 700, 850])
def test_a_score_inside_its_range_is_used(value: int) -> None:
    assert usable_score(_report(score=_score(value))) == _score(value)


@pytest.mark.parametrize(
    ("day", "warnings"), [(date(2026, 10, 3), ()), (date(2026, 10, 2), ("report_stale",))]
)
def test_a_report_older_than_thirty_days_is_stale(day: date, warnings: tuple[str, ...]) -> None:
    assert report_warnings(_report(report_date=day), AS_OF) == warnings


def test_odd_trades_are_pointed_out() -> None:
    card = Tradeline.model_validate(
        {
            "type": TradelineType.REVOLVING,
            "opened_on": date(2026, 12, 1),
            "limit": "0",
            "balance": "10",
        }
    )
    overpaid = Tradeline.model_validate(
        {"type": TradelineType.REVOLVING, "opened_on": date(2020, 1, 1), "balance": "-1"}
    )

    assert report_warnings(_report(tradelines=(card, overpaid)), AS_OF) == (
        "trade_opened_in_future",
        "trade_without_limit",
        "trade_with_negative_balance",
    )


def test_another_persons_file_must_not_be_used() -> None:
    report = _report(subject_ssn_last4="1234")

    assert report_problem(report, "516-24-9999", AS_OF) == "other_persons_file"
    assert report_problem(report, "516-24-1234", AS_OF) is None


def test_a_report_from_the_future_must_not_be_used() -> None:
    assert report_problem(_report(), "516-24-1234", date(2026, 11, 1)) == "report_after_as_of"
