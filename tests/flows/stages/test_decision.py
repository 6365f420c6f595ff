"""Decision: written down once, with everything that it rests on."""

from __future__ import annotations

from data.contracts.decision import Outcome
from data.contracts.underwriting import Evidence
from flows.runtime.execution.recorder import MemoryRecord
from flows.stages.decision import issue_decision
from flows.stages.doc_intake import ask_for_documents, take_in
from flows.stages.policy import apply_policy
from flows.stages.pricing import price
from tests.flows.inline import Says, persona
from tests.flows.stages.at_work import at_work, gathered


async def test_a_decision_is_entered_where_it_lasts() -> None:
    with at_work() as run:
        case, intake, evidence = await gathered(persona("ada-prime"))
        policy = await apply_policy(case, intake, evidence)
        pricing = await price(case, policy, evidence, None)
        content = await issue_decision(
            case, intake, Outcome.APPROVE, evidence, policy=policy, pricing=pricing
        )

    assert isinstance(run.record, MemoryRecord)
    assert run.record.decision == content
    assert run.state.decision == content
    assert content.inputs_sha256 == case.inputs_sha256()
    assert content.as_of_date == case.application.as_of_date
    assert content.rule_results == policy.results
    assert content.offer is not None
    assert content.memo


async def test_the_list_that_was_screened_is_named_with_its_date() -> None:
    with at_work():
        case, intake, evidence = await gathered(persona("ada-prime"))
        policy = await apply_policy(case, intake, evidence)
        pricing = await price(case, policy, evidence, None)
        content = await issue_decision(
            case, intake, Outcome.APPROVE, evidence, policy=policy, pricing=pricing
        )

    verified = evidence.verification
    assert verified is not None
    assert verified.kyc is not None
    screened = verified.kyc.watchlist
    assert content.versions.watchlist == f"{screened.list_name}/{screened.list_date}"
    assert content.versions.authority == "credit-authority/2026-11-01"


async def test_a_case_that_ended_early_says_so_and_claims_nothing() -> None:
    with at_work(Says("documents", "withdraw")):
        case = persona("max-missing").case
        intake = await take_in(case)
        await ask_for_documents(case, intake)
        content = await issue_decision(case, intake, Outcome.WITHDRAWN, Evidence())

    assert content.outcome is Outcome.WITHDRAWN
    assert content.recommendation is None
    assert (content.pd, content.grade, content.offer) == (None, None, None)
    assert content.rule_results == ()
    assert content.versions.watchlist is None
