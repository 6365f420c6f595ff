"""Verification: three questions at once, and which of them may go unanswered."""

from __future__ import annotations

import pytest

from data.contracts.errors import AgentError, FanOutError, ToolUnavailableError
from data.contracts.policy import Recommendation
from data.contracts.underwriting import Evidence
from data.settings import FanOutPolicy
from flows.runtime.execution.context import AgentPolicy
from flows.stages.bureau import pull_bureau
from flows.stages.doc_intake import take_in
from flows.stages.policy import apply_policy
from flows.stages.risk_ensemble import assess_risk
from flows.stages.verification import verify_applicant
from tests.flows.inline import persona
from tests.flows.stages.at_work import Absent, at_work, verified


def down() -> ToolUnavailableError:
    return ToolUnavailableError("no answer", tool="registry")


async def test_all_three_answers_are_handed_on() -> None:
    with at_work() as run:
        _, _, verification = await verified(persona("ada-prime"))

    assert verification.kyc
    assert verification.fraud
    assert verification.income
    assert verification.unanswered == ()
    assert run.walk.frontier == ("verified",)
    assert run.progress.overall == pytest.approx(0.38)


@pytest.mark.parametrize("name", ["fraud", "income"])
async def test_who_did_not_answer_is_named_with_the_reason(name: str) -> None:
    absent = Absent(name, down())
    with at_work(**{name: absent}):  # type: ignore[arg-type]
        _, _, verification = await verified(persona("ada-prime"))

    assert getattr(verification, name) is None
    assert [(missing.agent, missing.code) for missing in verification.unanswered] == [
        (name, "tool_unavailable")
    ]
    assert absent.asked == 3


@pytest.mark.parametrize("name", ["fraud", "income"])
async def test_a_case_with_a_question_unanswered_is_referred_and_never_approved(name: str) -> None:
    with at_work(**{name: Absent(name, down())}):  # type: ignore[arg-type]
        case, intake, verification = await verified(persona("ada-prime"))
        bureau = await pull_bureau(case, verification)
        risk = await assess_risk(case, verification, bureau)
        evidence = Evidence(verification=verification, bureau=bureau, risk=risk)
        policy = await apply_policy(case, intake, evidence)

    assert policy.recommendation is Recommendation.REFER
    assert "underwriter" in policy.gates


async def test_without_an_identity_the_run_stops() -> None:
    case = persona("ada-prime").case
    with at_work(kyc=Absent("kyc", down())):
        intake = await take_in(case)
        with pytest.raises(ToolUnavailableError) as caught:
            await verify_applicant(case, intake)

    assert (caught.value.stage, caught.value.agent) == ("verification", "kyc")


async def test_fail_fast_stops_at_the_first_who_fails() -> None:
    case = persona("ada-prime").case
    hasty = AgentPolicy(FanOutPolicy.FAIL_FAST, retries=0)
    with at_work(agent_policy=hasty, income=Absent("income", AgentError("lost"))):
        intake = await take_in(case)
        with pytest.raises(FanOutError, match="'income' failed") as caught:
            await verify_applicant(case, intake)

    assert caught.value.stage == "verification"
