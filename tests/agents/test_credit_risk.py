"""The four findings of the credit-risk agent, and how they are combined."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from agents.credit_risk import (
    AffordabilityAnalyst,
    BureauReader,
    ChallengerMember,
    ScorecardMember,
    combine_risk,
)
from data.contracts.bureau import BureauReport, BureauStatus
from data.contracts.case import CaseFile
from data.contracts.decision import Grade
from data.contracts.errors import ToolError, ToolUnavailableError
from data.contracts.findings import (
    AffordabilityFinding,
    BureauAttributes,
    FindingStatus,
    MemberFinding,
)
from data.contracts.policy import ReasonCode
from data.contracts.questions import AffordabilityQuestion, ScoringQuestion
from data.settings import Settings
from tools.case_files import load_case
from tools.ensemble import load_ensemble
from tools.policy import load_policy
from tools.pricing import load_prices
from tools.scorecard import load_challenger, load_scorecard

DATA = Settings().data_dir
TERMS = load_policy(DATA).affordability
PRICES = load_prices(DATA)
ENSEMBLE = load_ensemble(DATA)
CARD = load_scorecard(DATA / "models" / "scorecard-v2.json")


def _with_report(case_id: str, **changes: Any) -> CaseFile:
    case = load_case(DATA, case_id)
    assert case.bureau_report is not None
    report = BureauReport.model_validate(case.bureau_report.model_dump() | changes)
    return case.model_copy(update={"bureau_report": report})


async def test_a_hit_is_read_into_attributes() -> None:
    found = await BureauReader().run(load_case(DATA, "ada-prime"))

    assert found.status is FindingStatus.OK
    assert found.bureau_status is BureauStatus.HIT
    assert found.attributes is not None
    assert found.attributes.trades_open == 4
    assert found.monthly_obligations == 320
    assert found.score is not None
    assert found.score.value == 785


async def test_no_file_means_no_known_obligations() -> None:
    found = await BureauReader().run(load_case(DATA, "nora-nohit"))

    assert found.attributes is None
    assert found.monthly_obligations == 0


@pytest.mark.parametrize("status", [BureauStatus.FROZEN, BureauStatus.LOCKED])
async def test_a_closed_file_means_unknown_obligations(status: BureauStatus) -> None:
    found = await BureauReader().run(_with_report("ada-prime", status=status))

    assert found.attributes is None
    assert found.monthly_obligations is None


async def test_a_bureau_error_is_named_with_agent_and_tool() -> None:
    with pytest.raises(ToolUnavailableError) as failed:
        await BureauReader().run(load_case(DATA, "tim-timeout"))

    assert failed.value.agent == "credit_risk.bureau"
    assert failed.value.tool == "fetch_bureau_report"


async def test_another_persons_file_is_not_used() -> None:
    found = await BureauReader().run(_with_report("ada-prime", subject_ssn_last4="0001"))

    assert found.status is FindingStatus.DEGRADED
    assert found.bureau_status is BureauStatus.ERROR
    assert found.warnings == ("other_persons_file",)
    assert found.attributes is None
    assert found.score is None


async def test_a_report_from_the_future_is_not_used() -> None:
    found = await BureauReader().run(_with_report("ada-prime", report_date=date(2026, 11, 3)))

    assert found.warnings == ("report_after_as_of",)
    assert found.attributes is None


async def test_two_applicants_are_judged_by_the_lower_score_and_all_debts() -> None:
    case = load_case(DATA, "jo-kit-joint")
    alone = case.model_copy(
        update={
            "application": case.application.model_copy(
                update={"applicants": case.application.applicants[:1]}
            ),
            "co_bureau_report": None,
        }
    )

    joint = await BureauReader().run(case)
    single = await BureauReader().run(alone)

    assert joint.score is not None
    assert single.score is not None
    assert joint.score.value < single.score.value
    assert joint.monthly_obligations is not None
    assert single.monthly_obligations is not None
    assert joint.monthly_obligations > single.monthly_obligations


async def test_one_applicant_without_a_score_leaves_the_pair_without_one() -> None:
    case = _with_report("jo-kit-joint", score=None)

    assert (await BureauReader().run(case)).score is None


async def test_one_frozen_file_freezes_a_joint_application() -> None:
    case = _with_report("jo-kit-joint", status=BureauStatus.FROZEN)

    found = await BureauReader().run(case)

    assert found.bureau_status is BureauStatus.FROZEN
    assert found.monthly_obligations is None


def _attributes(**changes: Any) -> BureauAttributes:
    return BureauAttributes.model_validate(
        {
            "version": "1",
            "trades_open": 5,
            "oldest_trade_months": 150,
            "utilization_revolving": "0.05",
            "worst_dpd_12m": 0,
            "worst_dpd_24m": 0,
            "current_dpd": 0,
            "inquiries_6m": 0,
            "collections_open_amount": "0",
            "public_record_24m": 0,
            "authorized_user_share": "0",
            "monthly_obligations": "300",
            "thin_file": False,
            "current_dpd_class": 0,
            "worst_dpd_class_6m": 0,
            "months_since_30_dpd_6m": 6,
            "months_30_dpd_6m": 0,
            "months_60_dpd_6m": 0,
            "older_dpd_class_24m": 0,
        }
        | changes
    )


async def test_factors_are_told_by_reason_and_ranked_by_points() -> None:
    found = await ScorecardMember(CARD).run(
        ScoringQuestion(attributes=_attributes(utilization_revolving="0.95", inquiries_6m=1))
    )

    assert [factor.code for factor in found.top_factors] == [
        ReasonCode.RECENT_INQUIRIES,
        ReasonCode.REVOLVING_UTILIZATION_HIGH,
    ]
    assert found.agent == "credit_risk.scorecard"


async def test_a_worse_file_is_a_higher_risk_on_both_cards() -> None:
    challenger = load_challenger(DATA / "models" / "challenger-v2.json")
    good = ScoringQuestion(attributes=_attributes())
    bad = ScoringQuestion(
        attributes=_attributes(
            utilization_revolving="0.95",
            worst_dpd_class_6m=90,
            older_dpd_class_24m=90,
            months_since_30_dpd_6m=2,
            months_30_dpd_6m=3,
            months_60_dpd_6m=2,
            inquiries_6m=8,
        )
    )

    for agent in (ScorecardMember(CARD), ChallengerMember(challenger)):
        assert (await agent.run(good)).pd < Decimal("0.02")
        assert (await agent.run(bad)).pd > Decimal("0.12")


async def test_attributes_of_an_older_desk_are_not_scored_by_a_card_that_needs_more() -> None:
    older = _attributes(current_dpd_class=None)

    with pytest.raises(ToolError, match="current_dpd_class is missing"):
        await ScorecardMember(CARD).run(ScoringQuestion(attributes=older))


async def test_a_card_that_asks_for_an_unknown_attribute_fails_closed() -> None:
    line = CARD.attributes[0].model_copy(update={"name": "shoe_size"})
    card = CARD.model_copy(update={"attributes": (line,)})

    with pytest.raises(ToolError, match="shoe_size"):
        await ScorecardMember(card).run(ScoringQuestion(attributes=_attributes()))


def _member(pd: str, model: str = "scorecard") -> MemberFinding:
    return MemberFinding(
        agent=f"credit_risk.{model}",
        agent_version="1",
        model=model,
        model_version="1",
        pd=Decimal(pd),
        score=Decimal(600),
    )


async def _ability() -> AffordabilityFinding:
    return await AffordabilityAnalyst(TERMS).run(
        AffordabilityQuestion.model_validate(
            {
                "amount": "15000",
                "term_months": 48,
                "annual_rate": PRICES.base_rate(PRICES.indicative_grade, 48),
                "verified_income": "5200",
                "net_income": "4056",
                "obligations": "700",
                "housing": "1200",
                "dependents": 0,
            }
        )
    )


async def test_ability_is_restated_at_the_price_of_the_grade() -> None:
    ability = await _ability()

    risk = combine_risk([_member("0.1"), _member("0.1")], ability, ENSEMBLE, PRICES, TERMS)

    assert risk.grade is Grade.E
    assert risk.ability is not None
    assert risk.ability.annual_rate == PRICES.base_rate(Grade.E, 48)
    assert risk.ability.dti_after > ability.dti_after
    assert risk.ability.dti_before == ability.dti_before
    assert risk.expected_loss == 900  # 10 % of 60 % of 15,000


async def test_at_the_indicative_grade_nothing_changes() -> None:
    ability = await _ability()

    risk = combine_risk([_member("0.04"), _member("0.04")], ability, ENSEMBLE, PRICES, TERMS)

    assert risk.ability == ability
    assert risk.status is FindingStatus.OK


async def test_without_members_there_is_neither_probability_nor_grade() -> None:
    risk = combine_risk([], await _ability(), ENSEMBLE, PRICES, TERMS)

    assert risk.pd_ensemble is None
    assert risk.grade is None
    assert risk.expected_loss is None
    assert risk.status is FindingStatus.DEGRADED
    assert risk.ability is not None
    assert risk.ability.annual_rate == PRICES.base_rate(PRICES.ungraded_as, 48)


def test_one_member_alone_is_a_degraded_answer() -> None:
    risk = combine_risk([_member("0.02")], None, ENSEMBLE, PRICES, TERMS)

    assert risk.status is FindingStatus.DEGRADED
    assert risk.grade is Grade.B
    assert risk.disagreement is None


def test_the_agents_are_told_apart_by_their_task() -> None:
    labels = {agent.name + "." + agent.task for agent in (
        BureauReader, ScorecardMember, ChallengerMember, AffordabilityAnalyst)}  # fmt: skip

    assert labels == {
        "credit_risk.bureau",
        "credit_risk.scorecard",
        "credit_risk.challenger",
        "credit_risk.affordability",
    }
    assert ScorecardMember.question_type is ScoringQuestion
    assert ChallengerMember.finding_type is MemberFinding
