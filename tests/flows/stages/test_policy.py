"""Policy: every rule, on the terms asked for or on those that a person has set."""

from __future__ import annotations

import pytest

from data.contracts.decision import AdjustedTerms
from data.contracts.policy import Recommendation, RuleStatus
from flows.agent_registry import agents
from flows.stages.policy import apply_policy
from flows.stages.pricing import price
from flows.stages.review import review_case
from flows.terms import facts_of, judged
from tests.flows.inline import Says, persona
from tests.flows.stages.at_work import at_work, gathered


async def test_every_rule_of_the_pack_is_on_the_record() -> None:
    with at_work() as run:
        policy = await apply_policy(*await gathered(persona("ada-prime")))
        rules = {rule.id for rule in agents().rulebook.policy.rules}

    assert {result.rule_id for result in policy.results} >= rules
    assert policy.recommendation is Recommendation.APPROVE
    assert run.state.policy == policy


async def test_a_cleared_applicant_is_judged_like_any_other() -> None:
    with at_work():
        case, intake, evidence = await gathered(persona("pat-potential"))
        policy = await apply_policy(case, intake, evidence)
        unlisted = evidence.model_copy(update={"cleared": True})
        cleared = judged(agents().rulebook, case, unlisted)

    assert policy.gates == ("compliance",)
    assert cleared.gates == ()
    assert cleared.recommendation is Recommendation.APPROVE


@pytest.mark.parametrize(("months", "beyond"), [(12, True), (60, False)])
async def test_adjusted_terms_are_judged_by_their_own_payment(months: int, beyond: bool) -> None:
    because = {"reason_code": "compensating_income"}
    adjusts = Says("underwriter", "adjust", more={"term_months": months} | because)
    agrees = Says("second_approval", "approve", reviewer="Sven", more=because)
    with at_work(adjusts, agrees):
        case, intake, evidence = await gathered(persona("bora-borderline"))
        policy = await apply_policy(case, intake, evidence)
        await review_case(case, policy, evidence, ())
        pricing = await price(case, policy, evidence, AdjustedTerms(term_months=months))
        again = await apply_policy(case, intake, evidence, pricing)

    hit = {result.rule_id for result in again.results if result.status is RuleStatus.HIT}
    assert ("dti-above-limit" in hit) is beyond


async def test_the_policy_may_look_at_nothing_that_the_law_forbids() -> None:
    with at_work():
        case, _, evidence = await gathered(persona("ada-prime"))
        looked_at = set(facts_of(agents().rulebook, case, evidence).model_dump())

    forbidden = {"sex", "race", "religion", "marital_status", "national_origin", "first_name"}
    assert looked_at & forbidden == set()
