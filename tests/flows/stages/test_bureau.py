"""Bureau: pulled once, and an unavailable bureau is a finding of its own."""

from __future__ import annotations

import pytest

from data.contracts.bureau import BureauStatus
from data.contracts.errors import AgentError, ToolUnavailableError
from data.contracts.findings import FindingStatus
from data.settings import FanOutPolicy
from flows.runtime.execution.context import AgentPolicy
from flows.stages.bureau import pull_bureau
from tests.flows.inline import persona
from tests.flows.stages.at_work import Absent, at_work, verified


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ada-prime", BureauStatus.HIT),
        ("theo-thinfile", BureauStatus.THIN),
        ("nora-nohit", BureauStatus.NO_HIT),
        ("fay-freeze", BureauStatus.FROZEN),
    ],
)
async def test_every_kind_of_report_is_told_apart(name: str, status: BureauStatus) -> None:
    with at_work():
        case, _, verification = await verified(persona(name).case)
        bureau = await pull_bureau(case, verification)

    assert bureau.bureau_status is status
    assert bureau.is_frozen is (status is BureauStatus.FROZEN)


async def test_a_silent_bureau_is_a_finding_after_all_tries() -> None:
    with at_work():
        case, _, verification = await verified(persona("tim-timeout").case)
        bureau = await pull_bureau(case, verification)

    assert (bureau.status, bureau.bureau_status) == (FindingStatus.FAILED, BureauStatus.ERROR)
    assert bureau.warnings == ("tool_unavailable",)
    assert bureau.attributes is None


async def test_where_nothing_may_be_missing_a_silent_bureau_is_an_error() -> None:
    hasty = AgentPolicy(FanOutPolicy.FAIL_FAST, retries=0)
    with at_work(agent_policy=hasty):
        case, _, verification = await verified(persona("tim-timeout").case)
        with pytest.raises(ToolUnavailableError) as caught:
            await pull_bureau(case, verification)

    assert caught.value.stage == "bureau"


async def test_a_mistake_is_no_silence() -> None:
    broken = Absent("credit_risk.bureau", RuntimeError("lost"))
    with at_work(bureau=broken):
        case, _, verification = await verified(persona("ada-prime").case)
        with pytest.raises(AgentError):
            await pull_bureau(case, verification)

    assert broken.asked == 1
