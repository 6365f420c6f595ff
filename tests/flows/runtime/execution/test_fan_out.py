"""Several agents at once: what each policy does about one that fails, is slow, or comes round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from data.contracts.errors import (
    AgentError,
    AgentTimeoutError,
    ContractViolationError,
    FanOutError,
    ToolUnavailableError,
)
from data.contracts.events import EventType
from data.settings import FanOutPolicy
from flows.runtime.execution.ask import Ask, ask
from flows.runtime.execution.context import AgentPolicy
from flows.runtime.execution.fan_out import Answers, fan_out
from flows.runtime.execution.recorder import MemoryRecord
from tests.flows.runtime.vacation_parts import Scripted, a_context, in_stage
from tests.flows.runtime.vacation_workflow import (
    Balance,
    BalanceAgent,
    Checked,
    Cover,
    CoverAgent,
    LeaveRequest,
)

QUESTION = LeaveRequest(days=3)
FOUND = Balance(days_left=3)
WITHOUT_RETRIES = AgentPolicy(timeout_seconds=5, retries=0, backoff_seconds=0.001)


def fails(_attempt: int) -> float:
    raise ValueError("516-24-3907 is no number of days")


async def fails_later() -> None:
    await asyncio.sleep(0.05)
    fails(1)


def is_down(_attempt: int) -> float:
    raise ToolUnavailableError("no answer", tool="calendar")


def takes(seconds: float) -> Callable[[int], float]:
    return lambda _attempt: seconds


def patient(policy: FanOutPolicy, **more: float) -> AgentPolicy:
    plain = {"timeout_seconds": 5.0, "retries": 0, "backoff_seconds": 0.001}
    return AgentPolicy(policy, **(plain | more))  # type: ignore[arg-type]


async def asked_together(agent_policy: AgentPolicy, **agents: Scripted) -> Answers:
    with in_stage(a_context(agent_policy=agent_policy)):
        return await fan_out(**{name: ask(agent, QUESTION) for name, agent in agents.items()})


async def test_agents_are_asked_side_by_side() -> None:
    began = time.monotonic()

    answers = await asked_together(
        WITHOUT_RETRIES, **{f"a{n}": Scripted(f"a{n}", takes(0.1)) for n in range(10)}
    )

    assert len(answers.found) == 10
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("policy", FanOutPolicy)
async def test_when_all_answer_every_policy_is_content(policy: FanOutPolicy) -> None:
    answers = await asked_together(patient(policy), one=Scripted("one"), two=Scripted("two"))

    assert answers.found == {"one": FOUND, "two": FOUND}
    assert answers.missing == {}


async def test_fail_fast_stops_the_siblings_and_names_who_failed() -> None:
    slow, slower = Scripted("slow", takes(10)), Scripted("slower", takes(20))
    began = time.monotonic()

    with pytest.raises(FanOutError) as caught:
        await asked_together(
            patient(FanOutPolicy.FAIL_FAST),
            slow=slow,
            first=Scripted("first", fails),
            slower=slower,
        )

    assert time.monotonic() - began < 2
    assert slow.log == slower.log == ["cancelled"]
    assert caught.value.agent == "first"
    assert "'first' failed" in caught.value.message
    assert "stopped with it: slow, slower" in caught.value.message
    assert "516-24-3907" not in str(caught.value)


async def test_fail_fast_waits_no_longer_for_agents_that_have_answered() -> None:
    quick = Scripted("quick")

    with pytest.raises(FanOutError) as caught:
        await asked_together(
            patient(FanOutPolicy.FAIL_FAST),
            quick=quick,
            late=Scripted("late", lambda _: fails_later()),
        )

    assert "stopped with it" not in caught.value.message


async def test_best_effort_runs_to_an_end_and_types_the_absences() -> None:
    answers = await asked_together(
        patient(FanOutPolicy.BEST_EFFORT, timeout_seconds=0.3),
        good=Scripted("good", takes(0.05)),
        bad=Scripted("bad", fails),
        down=Scripted("down", is_down),
        late=Scripted("late", takes(1)),
    )

    assert answers.found == {"good": FOUND}
    assert {name: type(error) for name, error in answers.missing.items()} == {
        "bad": AgentError,
        "down": ToolUnavailableError,
        "late": AgentTimeoutError,
    }
    assert {error.agent for error in answers.missing.values()} == {"bad", "down", "late"}


async def test_a_quorum_is_content_with_enough_answers() -> None:
    answers = await asked_together(
        patient(FanOutPolicy.QUORUM, quorum=2),
        one=Scripted("one"),
        two=Scripted("two"),
        bad=Scripted("bad", fails),
    )

    assert sorted(answers.found) == ["one", "two"]
    assert sorted(answers.missing) == ["bad"]


async def test_a_quorum_that_is_missed_names_who_is_missing() -> None:
    with pytest.raises(FanOutError, match=r"1 of 3 answered, 2 are required; missing: bad, down"):
        await asked_together(
            patient(FanOutPolicy.QUORUM, quorum=2),
            one=Scripted("one"),
            bad=Scripted("bad", fails),
            down=Scripted("down", is_down),
        )


async def test_a_quorum_never_requires_more_than_were_asked() -> None:
    answers = await asked_together(patient(FanOutPolicy.QUORUM, quorum=5), one=Scripted("one"))

    assert answers.found == {"one": FOUND}


async def test_one_who_is_slow_times_out_and_the_others_do_not() -> None:
    slow = Scripted("slow", takes(10))

    answers = await asked_together(
        patient(FanOutPolicy.BEST_EFFORT, timeout_seconds=0.1), slow=slow, quick=Scripted("quick")
    )

    assert sorted(answers.found) == ["quick"]
    assert answers.missing["slow"].message == "no answer within 0.1 s"
    assert slow.log == ["cancelled"]


async def test_one_who_was_out_for_a_moment_is_asked_again() -> None:
    hesitant = Scripted("hesitant", lambda attempt: is_down(attempt) if attempt < 3 else 0.0)

    answers = await asked_together(patient(FanOutPolicy.FAIL_FAST, retries=2), hesitant=hesitant)

    assert answers.found == {"hesitant": FOUND}
    assert hesitant.asked == 3


async def test_between_tries_the_pause_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr("flows.runtime.execution.ask.asyncio.sleep", note)
    agent_policy = patient(FanOutPolicy.BEST_EFFORT, retries=3, backoff_seconds=0.25)

    answers = await asked_together(agent_policy, down=Scripted("down", is_down))

    assert pauses == [0.25, 0.5, 1.0]
    assert isinstance(answers.missing["down"], ToolUnavailableError)


async def test_a_mistake_is_not_asked_for_twice() -> None:
    bad = Scripted("bad", fails)

    await asked_together(patient(FanOutPolicy.BEST_EFFORT, retries=5), bad=bad)

    assert bad.asked == 1


async def test_every_failed_try_is_told() -> None:
    record = MemoryRecord()
    run = a_context(record=record, agent_policy=patient(FanOutPolicy.BEST_EFFORT, retries=1))
    with in_stage(run):
        await fan_out(down=ask(Scripted("down", is_down), QUESTION))

    errors = [draft for draft in record.drafts if draft.type is EventType.ERROR]
    assert [draft.message for draft in errors] == [
        "down: no answer; asking again",
        "down: no answer",
    ]
    assert errors[0].meta == {"agent": "down", "tool": "calendar", "code": "tool_unavailable"}


async def test_a_cancelled_run_stops_all_agents() -> None:
    agents = {f"a{n}": Scripted(f"a{n}", takes(10)) for n in range(3)}
    together = asyncio.create_task(asked_together(WITHOUT_RETRIES, **agents))
    while not all(agent.asked for agent in agents.values()):  # noqa: ASYNC110 - agents do not tell
        await asyncio.sleep(0.01)

    together.cancel()

    with pytest.raises(asyncio.CancelledError):
        await together
    assert [agent.log for agent in agents.values()] == [["cancelled"]] * 3


async def test_branches_of_the_map_are_entered_and_closed_by_the_fan_in() -> None:
    run = a_context()
    with in_stage(run):
        await run.enter("check")
        await fan_out(balance=ask(BalanceAgent(), QUESTION), cover=ask(CoverAgent(), QUESTION))

    assert run.walk.frontier == ("checked",)
    assert run.walk.taken == (
        ("start", "check"),
        ("check", "balance"),
        ("check", "cover"),
        ("balance", "checked"),
        ("cover", "checked"),
    )
    assert run.progress.overall == 0.6


def test_a_finding_is_handed_out_by_its_type() -> None:
    down = ToolUnavailableError("no answer")
    answers = Answers({"balance": FOUND}, {"cover": down})

    assert answers.get("balance", Balance) == FOUND
    assert answers.get("balance", Checked) is None
    assert answers.get("cover", Cover) is None
    with pytest.raises(ToolUnavailableError):
        answers.require("cover", Cover)
    with pytest.raises(FanOutError, match="no agent was asked for 'letter'"):
        answers.require("letter", Cover)


async def test_an_answer_of_another_kind_is_an_error_of_that_agent() -> None:
    agent = BalanceAgent()
    with in_stage(a_context()):
        answers = await fan_out(one=Ask(agent, Cover(colleague="Max")))

    assert isinstance(answers.missing["one"], ContractViolationError)
    assert answers.missing["one"].agent == "balance"
