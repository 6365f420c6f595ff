"""Verification: three questions at once, and which of them may go unanswered."""

from __future__ import annotations

import json

import pytest

from agents.kyc import KycAgent
from data.contracts.errors import AgentError, FanOutError, ToolUnavailableError
from data.contracts.policy import Recommendation
from data.contracts.screening import WATCHLIST_RECORD, WatchlistScreening
from data.contracts.underwriting import Evidence
from data.settings import FanOutPolicy, settings
from flows.runtime.execution.context import AgentPolicy
from flows.stages.bureau import pull_bureau
from flows.stages.doc_intake import take_in
from flows.stages.policy import apply_policy
from flows.stages.risk_ensemble import assess_risk
from flows.stages.verification import verify_applicant
from tests.flows.inline import Says, Silence, persona, underwritten
from tests.flows.stages.at_work import Absent, at_work, verified
from tools.watchlist import Watchlists


def down() -> ToolUnavailableError:
    return ToolUnavailableError("no answer", tool="registry")


async def test_all_three_answers_are_handed_on() -> None:
    with at_work() as run:
        _, _, verification = await verified(persona("ada-prime").case)

    assert verification.kyc
    assert verification.fraud
    assert verification.income
    assert verification.unanswered == ()
    assert run.walk.frontier == ("verified",)
    assert run.progress.overall == pytest.approx(0.38)


@pytest.mark.parametrize("name", ["sam-sanction", "sam-namesake", "pat-potential"])
async def test_whom_on_the_list_an_applicant_resembles_is_in_the_restricted_record_alone(
    name: str,
) -> None:
    done = await underwritten(persona(name), Says("compliance", "clear"), Silence("underwriter"))

    screening = WatchlistScreening.model_validate(done.record.restricted[WATCHLIST_RECORD])
    [candidate] = screening.candidates
    verification = done.run.state.verification
    assert verification is not None
    assert verification.kyc is not None
    kyc = verification.kyc
    assert kyc.watchlist == screening.model_copy(update={"candidates": ()})
    assert kyc.watchlist.count == 1
    everything_else = {
        "state": done.run.state.model_dump(mode="json"),
        "memory": [message.model_dump() for message in done.run.memory],
        "events": [(draft.message, draft.meta) for draft in done.drafts],
        "entries": [
            (
                entry.changes,
                [message.model_dump() for message in entry.messages],
                entry.checkpoint and entry.checkpoint.model_dump(mode="json"),
            )
            for entry in done.record.entries
        ],
        "asked": [request.model_dump(mode="json") for _, request in done.script.asked],
    }
    assert any(entry.checkpoint for entry in done.record.entries)
    assert candidate.entry_id not in json.dumps(everything_else, default=str)


async def test_an_answer_that_was_kept_before_lists_no_entry_as_evidence() -> None:
    done = await KycAgent(Watchlists.shipped(settings().data_dir)).answer(
        persona("pat-potential").case
    )
    [candidate] = done.watchlist.candidates
    kept = done.model_copy(update={"evidence": (*done.evidence, candidate.entry_id)})

    assert candidate.entry_id not in kept.without_candidates().model_dump_json()
    assert kept.without_candidates().evidence == done.evidence


@pytest.mark.parametrize("name", ["fraud", "income"])
async def test_who_did_not_answer_is_named_with_the_reason(name: str) -> None:
    absent = Absent(name, down())
    with at_work(**{name: absent}):  # type: ignore[arg-type]
        _, _, verification = await verified(persona("ada-prime").case)

    assert getattr(verification, name) is None
    assert [(missing.agent, missing.code) for missing in verification.unanswered] == [
        (name, "tool_unavailable")
    ]
    assert absent.asked == 3


@pytest.mark.parametrize("name", ["fraud", "income"])
async def test_a_case_with_a_question_unanswered_is_referred_and_never_approved(name: str) -> None:
    with at_work(**{name: Absent(name, down())}):  # type: ignore[arg-type]
        case, intake, verification = await verified(persona("ada-prime").case)
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
