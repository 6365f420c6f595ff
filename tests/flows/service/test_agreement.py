"""People's rulings held against the policy's recommendation, from the decisions in the ledger."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from data.contracts.agreement import Agreement, AgreementReport, ReasonCount
from data.contracts.decision import Outcome
from data.contracts.errors import ContractViolationError
from data.contracts.policy import Recommendation
from flows.runtime.ledger.database import Ledger
from flows.service import agreement
from flows.service.agreement import Period
from tests.flows.decided_cases import decided
from tests.flows.inline import Says, Silence, persona

NOVEMBER = Period(date(2026, 11, 1), date(2026, 12, 1))
GRANTS = Says("underwriter", "approve", more={"reason_code": "compensating_income"})
AGREES = Says(
    "second_approval", "approve", reviewer="Sven", more={"reason_code": "compensating_income"}
)
OBJECTS = Says("second_approval", "decline", reviewer="Sven", more={"reason_code": "R09"})
DECLINES = Says("underwriter", "decline", more={"reason_code": "R09"})
APPROVES = Says("underwriter", "approve")


async def reported(ledger: Ledger, period: Period = NOVEMBER) -> AgreementReport:
    return await ledger.read(agreement.report, period)


async def test_a_decline_of_the_policy_is_followed_overridden_or_kept_by_the_second_person(
    ledger: Ledger,
) -> None:
    uma = persona("uma-override")
    await decided(ledger, uma, DECLINES)
    await decided(ledger, uma, GRANTS, AGREES)
    await decided(ledger, uma, GRANTS, OBJECTS)

    found = await reported(ledger)

    assert found.cases == 3
    assert (found.second_approvals, found.second_refusals) == (2, 1)
    assert found.follow_rate == Decimal("0.6667")
    (declines,) = found.recommendations
    assert declines == Agreement(
        recommendation=Recommendation.DECLINE,
        cases=3,
        followed=2,
        overridden=1,
        outcomes={Outcome.APPROVE: 1, Outcome.DECLINE: 2},
        reasons=(
            ReasonCount(reason_code="R09", cases=2),
            ReasonCount(reason_code="compensating_income", cases=2),
        ),
    )


async def test_a_referral_recommends_nothing_that_people_could_follow(ledger: Ledger) -> None:
    bora = persona("bora-borderline")
    await decided(ledger, bora, APPROVES)
    await decided(ledger, bora, DECLINES)
    await decided(ledger, bora, Says("underwriter", "adjust", more={"amount": 9000.0}))

    found = await reported(ledger)

    assert found.follow_rate is None
    (referrals,) = found.recommendations
    assert (referrals.followed, referrals.overridden, referrals.cases) == (None, 0, 3)
    assert referrals.outcomes == {
        Outcome.APPROVE: 1,
        Outcome.COUNTER_OFFER: 1,
        Outcome.DECLINE: 1,
    }


async def test_cases_that_no_person_ruled_on_are_not_counted(ledger: Ledger) -> None:
    await decided(ledger, persona("ada-prime"))
    await decided(ledger, persona("bora-borderline"), Silence("underwriter"))

    found = await reported(ledger)

    assert (found.cases, found.recommendations) == (0, ())


async def test_a_case_belongs_to_the_period_of_its_decision(ledger: Ledger) -> None:
    for moment in ("2026-10-31T23:59:59+00:00", "2026-11-01T00:00:00+00:00"):
        await decided(ledger, persona("bora-borderline"), APPROVES, on=moment)
    await decided(ledger, persona("bora-borderline"), APPROVES, on="2026-12-01T00:00:00+00:00")

    assert (await reported(ledger)).cases == 1
    everything = Period(date(2026, 10, 1), date(2026, 12, 2))
    assert (await reported(ledger, everything)).cases == 3


async def test_the_report_names_no_person(ledger: Ledger) -> None:
    await decided(ledger, persona("uma-override"), GRANTS, AGREES)

    told = (await reported(ledger)).model_dump_json()

    assert "Una" not in told
    assert "Sven" not in told


def test_a_period_without_a_day_is_refused_and_the_usual_one_has_thirty() -> None:
    with pytest.raises(ContractViolationError) as refused:
        Period.of(date(2026, 11, 2), date(2026, 11, 2))

    assert refused.value.problems[0].pointer == "/query/since"
    usual = Period.of(None, None)
    assert (usual.until - usual.since).days == 30
