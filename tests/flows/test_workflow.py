"""The map and the runs agree: some case takes every edge, and no case leaves the map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from data.contracts.bureau import BureauAlert
from data.contracts.case import Persona
from data.contracts.decision import Outcome
from data.contracts.errors import AnswerRejectedError, AuthorityError
from data.contracts.events import EventType
from data.contracts.policy import ReasonCode, RuleStatus
from data.settings import settings
from flows.runtime.execution.gatekeeper import WaitingForReviewError
from flows.runtime.graph.workflow import Kind
from flows.workflow import WORKFLOW
from tests.flows.inline import (
    Says,
    Silence,
    Step,
    Underwritten,
    persona,
    supplies,
    underwritten,
)
from tools.case_files import case_ids

APPROVES = Says("underwriter", "approve")
DECLINES = Says("underwriter", "decline", more={"reason_code": "R09"})
ADJUSTS = Says("underwriter", "adjust", more={"amount": 8000.0})
WANTS_DOCUMENTS = Says("underwriter", "request_documents")
OVERRIDES = Says("underwriter", "approve", more={"reason_code": "compensating_income"})
AGREES = Says("second_approval", "approve", reviewer="Sven")
OBJECTS = Says("second_approval", "decline", reviewer="Sven", more={"reason_code": "R09"})
STANDS_BY = Says(
    "second_approval", "approve", reviewer="Sven", more={"reason_code": "compensating_income"}
)
CLEARS = Says("compliance", "clear")
MATCHES = Says("compliance", "true_match")
SENDS_DOCUMENTS = Says("documents", "supplied", more={"document_ids": ["w2"]})
GIVES_UP = Says("documents", "withdraw")

SCRIPTS: Sequence[tuple[str, tuple[Step, ...], Outcome]] = (
    ("bora-borderline", (APPROVES,), Outcome.APPROVE),
    ("bora-borderline", (DECLINES,), Outcome.DECLINE),
    ("bora-borderline", (ADJUSTS,), Outcome.COUNTER_OFFER),
    ("bora-borderline", (Silence("underwriter"),), Outcome.DECLINE),
    ("bora-borderline", (WANTS_DOCUMENTS, GIVES_UP), Outcome.WITHDRAWN),
    ("bora-borderline", (WANTS_DOCUMENTS, SENDS_DOCUMENTS, APPROVES), Outcome.APPROVE),
    (
        "bora-borderline",
        (WANTS_DOCUMENTS, SENDS_DOCUMENTS, WANTS_DOCUMENTS, GIVES_UP),
        Outcome.WITHDRAWN,
    ),
    ("leo-large", (APPROVES, AGREES), Outcome.APPROVE),
    ("leo-large", (APPROVES, OBJECTS), Outcome.DECLINE),
    ("leo-large", (APPROVES, Silence("second_approval")), Outcome.DECLINE),
    ("uma-override", (OVERRIDES, STANDS_BY), Outcome.APPROVE),
    ("uma-override", (DECLINES,), Outcome.DECLINE),
    ("pat-potential", (CLEARS,), Outcome.APPROVE),
    ("pat-potential", (MATCHES,), Outcome.DECLINE),
    ("pat-potential", (Silence("compliance"),), Outcome.DECLINE),
    ("erin-expired", (GIVES_UP,), Outcome.WITHDRAWN),
    ("erin-expired", (Silence("documents"),), Outcome.INCOMPLETE),
    ("max-missing", (Silence("documents"),), Outcome.INCOMPLETE),
)


def title(script: tuple[str, tuple[Step, ...], Outcome]) -> str:
    name, steps, _ = script
    said = (getattr(step, "decision", "silence") for step in steps)
    return f"{name}: {', '.join(said)}"


def listed_and_alerted() -> Persona:
    """A case that compliance clears and that an underwriter still has to review."""
    pat = persona("pat-potential")
    assert pat.bureau_report is not None
    report = pat.bureau_report.model_copy(update={"alerts": (BureauAlert.FRAUD_INITIAL,)})
    return pat.model_copy(update={"bureau_report": report})


def hits(done: Underwritten) -> set[str]:
    """The rules that hit when the policy was asked last."""
    policy = done.run.state.policy
    assert policy is not None
    return {result.rule_id for result in policy.results if result.status is RuleStatus.HIT}


async def everything_that_can_happen() -> list[Underwritten]:
    """All personas with their post, and all the ways in which people may answer."""
    done = []
    for name in case_ids(settings().data_dir):
        case = persona(name)
        done.append(await underwritten(case, *([supplies(case)] if case.later_documents else [])))
    done += [await underwritten(persona(name), *steps) for name, steps, _ in SCRIPTS]
    done.append(await underwritten(listed_and_alerted(), CLEARS, APPROVES))
    return done


@pytest.mark.parametrize("script", SCRIPTS, ids=title)
async def test_people_and_policy_together_come_to_an_outcome(
    script: tuple[str, tuple[Step, ...], Outcome],
) -> None:
    name, steps, outcome = script

    done = await underwritten(persona(name), *steps)

    assert done.error is None
    assert done.content.outcome is outcome
    assert done.gates == tuple(step.gate for step in steps)
    assert done.drafts[-1].type is EventType.RUN_COMPLETED
    assert done.drafts[-1].progress == 1.0


async def test_every_edge_of_the_map_is_taken_and_no_other() -> None:
    declared = {(edge.source, edge.target) for edge in WORKFLOW.edges}

    taken: Counter[tuple[str, str]] = Counter()
    for done in await everything_that_can_happen():
        taken.update(done.taken)
        assert done.error is None or isinstance(done.error, WaitingForReviewError)

    assert set(taken) == declared


async def test_every_walk_is_connected_from_start_to_end() -> None:
    for done in await everything_that_can_happen():
        if done.is_decided:
            assert done.run.walk.frontier == ("end",)
        reached = {"start"}
        for source, target in done.run.walk.taken:
            assert source in reached
            reached.add(target)


async def test_a_cleared_applicant_may_still_need_an_underwriter() -> None:
    done = await underwritten(listed_and_alerted(), CLEARS, APPROVES)

    assert done.gates == ("compliance", "underwriter")
    assert done.content.outcome is Outcome.APPROVE
    assert [ruling.gate for ruling in done.content.rulings] == ["compliance", "underwriter"]


async def test_silence_of_credit_undoes_no_clearing() -> None:
    done = await underwritten(listed_and_alerted(), CLEARS, Silence("underwriter"))

    assert done.content.outcome is Outcome.DECLINE
    assert [ruling.decision for ruling in done.content.rulings] == ["clear", "decline"]
    assert done.content.principal_reasons == (ReasonCode.IDENTITY_UNVERIFIABLE,)
    before, review = done.run.state.policy, done.run.state.review
    assert before is not None
    assert "compliance" in before.gates
    assert review is not None
    assert review.policy is not None
    assert review.policy.gates == ("underwriter",)
    assert done.content.rule_results == review.policy.results


async def test_documents_that_came_in_are_read_and_the_case_starts_over() -> None:
    erin = persona("erin-expired")

    done = await underwritten(erin, supplies(erin))

    assert done.content.outcome is Outcome.APPROVE
    assert done.run.walk.visits["doc_intake"] == 2
    skipped = {draft.phase for draft in done.said(EventType.STAGE_SKIPPED)}
    assert skipped == {"review"}


async def test_a_silent_applicant_is_never_refused_on_credit() -> None:
    done = await underwritten(persona("erin-expired"), Silence("documents"))

    assert done.content.principal_reasons == (ReasonCode.APPLICATION_INCOMPLETE,)
    assert done.content.recommendation is None


# A year instead of the months asked for: the payment is beyond the limit.
SHORTENS = {"term_months": 12, "reason_code": "compensating_income"}


async def test_terms_that_the_policy_would_decline_need_a_second_person() -> None:
    adjusts = Says("underwriter", "adjust", more=SHORTENS)

    before = await underwritten(persona("bora-borderline"), APPROVES)
    after = await underwritten(persona("bora-borderline"), adjusts, STANDS_BY)

    assert [ruling.override for ruling in after.content.rulings] == [True, True]
    assert {ruling.reason_code for ruling in after.content.rulings} == {"compensating_income"}
    assert "dti-above-limit" not in hits(before)
    assert "dti-above-limit" in hits(after)
    assert after.run.walk.visits["policy"] == 2


@pytest.mark.parametrize("reason_code", ["", "R09"])
async def test_terms_that_are_adjusted_against_the_policy_need_a_reason(reason_code: str) -> None:
    adjusts = Says("underwriter", "adjust", more=SHORTENS | {"reason_code": reason_code})

    done = await underwritten(persona("bora-borderline"), adjusts)

    assert isinstance(done.error, AnswerRejectedError)
    assert done.error.field == "reason_code"


async def test_with_keys_terms_that_are_adjusted_against_the_policy_need_a_proven_identity() -> (
    None
):
    unproven = Says("underwriter", "adjust", proven=False, more=SHORTENS)

    with_keys = await underwritten(persona("bora-borderline"), unproven)
    without = await underwritten(
        persona("bora-borderline"), replace(unproven, keyed=False), STANDS_BY
    )

    assert isinstance(with_keys.error, AuthorityError)
    assert without.content.outcome is Outcome.COUNTER_OFFER


@pytest.mark.parametrize(
    ("terms", "field"),
    [({"term_months": 1}, "term_months"), ({"rate": 0.2999, "term_months": 12}, "rate")],
)
async def test_terms_without_a_lawful_price_never_come_past_the_gate(
    terms: dict[str, Any], field: str
) -> None:
    done = await underwritten(persona("bora-borderline"), Says("underwriter", "adjust", more=terms))

    assert isinstance(done.error, AnswerRejectedError)
    assert done.error.field == field
    assert "pricing" not in done.run.walk.visits


async def test_adjusted_terms_of_a_cleared_applicant_become_a_counter_offer() -> None:
    done = await underwritten(listed_and_alerted(), CLEARS, ADJUSTS)

    assert done.error is None
    assert done.content.outcome is Outcome.COUNTER_OFFER
    assert done.content.offer is not None
    assert str(done.content.offer.amount) == "8000.00"


def test_the_map_has_the_eight_stages_and_their_weights() -> None:
    weights: Counter[str] = Counter()
    for node in WORKFLOW.nodes:
        weights[node.stage] += node.weight
    del weights[""]

    assert list(WORKFLOW.stages) == list(weights)
    assert dict(weights) == {
        "doc_intake": 6,
        "verification": 32,
        "bureau": 10,
        "risk_ensemble": 22,
        "policy": 8,
        "review": 10,
        "pricing": 6,
        "decision": 6,
    }


def test_every_stage_has_a_checkpoint_of_its_own_name() -> None:
    assert {stage: WORKFLOW.checkpoint_of(stage) for stage in WORKFLOW.stages} == {
        "doc_intake": "intake",
        "verification": "verification",
        "bureau": "bureau",
        "risk_ensemble": "risk",
        "policy": "policy",
        "review": "review",
        "pricing": "offer",
        "decision": "decision",
    }


def test_the_four_gates_are_nodes_of_the_map() -> None:
    gates = [node.id for node in WORKFLOW.nodes if node.kind is Kind.HITL]

    assert gates == ["documents", "compliance", "underwriter", "second_approval"]


def test_only_papers_and_adjusted_terms_lead_back() -> None:
    back = [(edge.source, edge.target) for edge in WORKFLOW.edges if edge.back]

    assert back == [("documents", "doc_intake"), ("pricing", "policy")]


async def test_a_run_takes_no_time_of_the_clock_into_its_decision() -> None:
    content = (await underwritten(persona("ada-prime"))).content

    assert content.offer is not None
    as_of = persona("ada-prime").application.as_of_date
    assert content.offer.expires_on - as_of < timedelta(days=60)
