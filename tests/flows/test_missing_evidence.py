"""Missing evidence never approves: through the whole flow, with one thing taken away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from data.contracts.policy import Recommendation
from data.settings import settings
from data.synthetic.builder import AS_OF
from tests.flows.cases import APPLICANT, changed
from tests.flows.inline import Says, underwritten
from tools.notices import compose_notices, load_notice_terms

OLD_REPORT = str(AS_OF - timedelta(days=31))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        pytest.param({"fraud_signals": None}, "fraud-unanswered", id="no fraud signals"),
        pytest.param({"fraud_signals": {}}, "fraud-unanswered", id="empty fraud signals"),
        pytest.param(
            {"bureau_report__score__value": 9003}, "bureau-score-unusable", id="score 9003"
        ),
        pytest.param(
            {"bureau_report__score__value": 9003, "bureau_report__score__range_max": 9999},
            "bureau-score-unusable",
            id="score 9003 within a range that reaches it",
        ),
        pytest.param({"bureau_report__score": None}, "bureau-score-unusable", id="no score"),
        pytest.param(
            {
                "bureau_report__report_date": OLD_REPORT,
                "application__consent__credit_pull_at": f"{OLD_REPORT}T14:00:00Z",
            },
            "bureau-report-stale",
            id="a report of 31 days",
        ),
        pytest.param(
            {f"{APPLICANT}military_covered_borrower": None},
            "covered-borrower-unknown",
            id="covered borrower not checked",
        ),
    ],
)
async def test_what_is_missing_refers(changes: dict[str, Any], rule: str) -> None:
    case = changed("ada-prime", **changes)

    done = await underwritten(case)

    policy = done.run.state.policy
    assert policy is not None
    assert policy.recommendation is Recommendation.REFER
    assert policy.refer_reasons == (rule,)
    assert done.gates == ("underwriter",)


async def test_a_report_of_30_days_is_current() -> None:
    day = str(AS_OF - timedelta(days=30))
    case = changed(
        "ada-prime",
        bureau_report__report_date=day,
        application__consent__credit_pull_at=f"{day}T14:00:00Z",
    )

    policy = (await underwritten(case)).run.state.policy

    assert policy is not None
    assert policy.recommendation is Recommendation.APPROVE


async def test_an_approval_asks_for_a_status_that_was_not_checked() -> None:
    case = changed("ada-prime", **{f"{APPLICANT}military_covered_borrower": None})

    done = await underwritten(case, Says("underwriter", "approve"))

    assert [condition.code for condition in done.content.conditions] == ["confirm_covered_borrower"]


async def test_one_covered_applicant_is_enough_and_one_unknown_is_asked() -> None:
    for first, second, known in ((True, None, True), (None, False, None), (False, False, False)):
        case = changed(
            "jo-kit-joint",
            application__applicants__0__military_covered_borrower=first,
            application__applicants__1__military_covered_borrower=second,
        )
        policy = (await underwritten(case)).run.state.policy
        assert policy is not None
        assert ("covered-borrower-unknown" in policy.refer_reasons) is (known is None)


@pytest.mark.parametrize(("is_covered", "told"), [(True, True), (None, True), (False, False)])
async def test_an_approval_tells_covered_borrowers_of_their_ceiling(
    is_covered: bool | None, told: bool
) -> None:
    case = changed("alma-alert", **{f"{APPLICANT}military_covered_borrower": is_covered})

    done = await underwritten(case, Says("underwriter", "approve"))

    terms = load_notice_terms(settings().data_dir)
    (letter,) = compose_notices(done.content, terms, done.content.as_of_date)
    assert ("may not exceed an annual percentage rate of 36 percent" in letter.text) is told
