"""Risk ensemble: members with enough data are asked, and a missing member is noticed."""

from __future__ import annotations

import pytest

from data.contracts.errors import ToolUnavailableError
from data.contracts.events import EventType
from data.contracts.policy import Recommendation
from flows.runtime.execution.recorder import MemoryRecord
from flows.stages.policy import apply_policy
from tests.flows.inline import persona
from tests.flows.stages.at_work import Absent, at_work, gathered


def down() -> ToolUnavailableError:
    return ToolUnavailableError("no answer")


async def test_two_cards_and_a_budget_make_one_grade() -> None:
    with at_work() as run:
        _, _, evidence = await gathered(persona("ada-prime"))

    risk = evidence.risk
    assert risk is not None
    assert len(risk.members) == 2
    assert risk.grade == "A"
    assert risk.ability is not None
    assert run.state.risk_ensemble == risk


async def test_without_a_file_only_the_budget_is_asked() -> None:
    with at_work() as run:
        _, _, evidence = await gathered(persona("nora-nohit"))

    assert isinstance(run.record, MemoryRecord)
    asked = {
        draft.meta["agent"]
        for draft in run.record.drafts
        if draft.type is EventType.AGENT_STARTED and draft.phase == "risk_ensemble"
    }
    assert asked == {"credit_risk.affordability"}
    assert evidence.risk is not None
    assert evidence.risk.grade is None


@pytest.mark.parametrize("name", ["scorecard", "challenger", "affordability"])
async def test_without_one_member_no_case_is_approved(name: str) -> None:
    absent = Absent(f"credit_risk.{name}", down())
    with at_work(**{name: absent}):  # type: ignore[arg-type]
        case, intake, evidence = await gathered(persona("ada-prime"))
        policy = await apply_policy(case, intake, evidence)

    assert absent.asked == 3
    assert policy.recommendation is Recommendation.REFER
