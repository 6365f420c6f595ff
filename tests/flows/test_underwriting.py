"""The story as a whole: every persona comes to its end, alike every time."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from data.contracts.base import canonical_json
from data.contracts.bureau import BureauStatus
from data.contracts.decision import Outcome
from data.contracts.errors import FanOutError, ToolUnavailableError
from data.contracts.events import EventType
from data.contracts.policy import ReasonCode, Recommendation, RuleStatus
from data.contracts.runs import RunOptions
from data.settings import FanOutPolicy, settings
from flows.runtime.execution.context import AgentPolicy
from flows.runtime.execution.gatekeeper import WaitingForReviewError
from flows.underwriting import underwrite
from tests.flows.inline import Says, persona, supplies, underwritten
from tools.case_files import case_ids

PERSONAS = case_ids(settings().data_dir)
STRAIGHT = [name for name in PERSONAS if persona(name).expected.outcome is not None]


@pytest.mark.parametrize("name", PERSONAS)
async def test_every_persona_comes_to_what_its_file_expects(name: str) -> None:
    case = persona(name)
    expected = case.expected
    steps = [supplies(case)] if case.later_documents else []

    done = await underwritten(case, *steps)

    policy = done.run.state.policy
    assert (policy.recommendation if policy else None) == expected.recommendation
    assert done.gates == expected.gates[: len(done.gates)]
    assert bool(done.gates) == bool(expected.gates)
    if expected.outcome is not None:
        assert done.content.outcome is expected.outcome
        assert set(expected.reasons) <= set(done.content.principal_reasons)
    if expected.grade is not None:
        risk = done.run.state.risk_ensemble
        assert risk is not None
        assert risk.grade is expected.grade
    if policy is not None:
        hit = {
            result.reason for result in policy.results if result.status is not RuleStatus.NOT_HIT
        }
        assert set(expected.refer_reasons) <= hit
    if expected.offer_amount is not None and done.is_decided:
        offers = [done.content.offer, *done.content.alternatives]
        assert expected.offer_amount in {offer.amount for offer in offers if offer}


@pytest.mark.parametrize("name", STRAIGHT)
async def test_two_runs_and_a_copy_under_another_id_give_the_same_bytes(name: str) -> None:
    case = persona(name).case

    contents = [
        canonical_json((await underwritten(submitted)).content)
        for submitted in (case, case, case.renamed("a-copy"))
    ]

    assert len(set(contents)) == 1
    assert name.encode() not in contents[0]


@pytest.mark.parametrize("name", PERSONAS)
async def test_progress_never_falls_and_a_decided_run_has_all_of_it(name: str) -> None:
    case = persona(name)

    done = await underwritten(case, *([supplies(case)] if case.later_documents else []))

    shares = [draft.progress for draft in done.drafts]
    assert shares == sorted(shares)
    assert all(0 <= draft.step_progress <= 1 for draft in done.drafts)
    assert (shares[-1] == 1.0) == done.is_decided


@pytest.mark.parametrize("name", STRAIGHT)
async def test_a_straight_run_tells_at_most_a_hundred_events(name: str) -> None:
    done = await underwritten(persona(name))

    assert 20 < len(done.drafts) <= 100 or "minor" in name
    assert len({draft.key for draft in done.drafts}) == len(done.drafts)


@pytest.mark.parametrize("name", PERSONAS)
async def test_nothing_personal_is_told_or_remembered(name: str) -> None:
    case = persona(name)

    done = await underwritten(case, *([supplies(case)] if case.later_documents else []))

    told = repr([(draft.message, draft.meta) for draft in done.drafts]) + repr(done.run.memory)
    told += done.run.state.model_dump_json() + "".join(
        request.model_dump_json() for _, request in done.script.asked
    )
    for applicant in case.application.applicants:
        name_in_full = f"{applicant.first_name} {applicant.last_name}"
        for secret in (applicant.ssn, applicant.email, applicant.phone, name_in_full):
            assert secret is None or secret not in told


async def test_of_a_minor_nothing_is_pulled() -> None:
    done = await underwritten(persona("minnie-minor"))

    assert done.content.outcome is Outcome.DECLINE
    assert done.content.principal_reasons == (ReasonCode.BELOW_LEGAL_AGE,)
    assert done.agents() == {"doc_intake", "underwriter.decision"}
    assert done.content.pd is None
    assert done.content.score_disclosure is None


async def test_of_a_listed_person_no_bureau_is_asked_and_no_credit_reason_is_given() -> None:
    done = await underwritten(persona("sam-sanction"))

    assert done.content.outcome is Outcome.DECLINE
    assert done.content.principal_reasons == ()
    assert not any(agent.startswith("credit_risk") for agent in done.agents())


async def test_a_namesake_of_another_age_is_asked_nothing() -> None:
    done = await underwritten(persona("sam-namesake"))

    assert done.gates == ()
    assert done.content.outcome is Outcome.APPROVE


async def test_a_frozen_file_is_incomplete_and_no_refusal() -> None:
    done = await underwritten(persona("fay-freeze"))

    assert done.content.outcome is Outcome.INCOMPLETE
    assert done.run.state.risk_ensemble is None


async def test_a_silent_bureau_fails_a_run_that_insists() -> None:
    tim = persona("tim-timeout")

    done = await underwritten(tim, options=RunOptions(fan_out_policy=FanOutPolicy.FAIL_FAST))

    assert isinstance(done.error, ToolUnavailableError | FanOutError)
    assert done.error.stage == "bureau"
    assert not done.is_decided
    assert done.said(EventType.RUN_FAILED)[0].meta["code"] == done.error.code


async def test_a_silent_bureau_refers_a_run_that_makes_do() -> None:
    done = await underwritten(
        persona("tim-timeout"), agent_policy=AgentPolicy(backoff_seconds=0.001)
    )

    assert isinstance(done.error, WaitingForReviewError)
    assert done.gates == ("underwriter",)
    assert done.run.state.bureau is not None
    assert done.run.state.bureau.bureau_status is BureauStatus.ERROR
    retries = [draft.meta["tool"] for draft in done.said(EventType.ERROR)]
    assert len(retries) == 3
    assert len(set(retries)) == 1


async def test_an_approval_carries_an_offer_on_the_terms_asked_for() -> None:
    ada = persona("ada-prime")

    done = await underwritten(ada)

    offer = done.content.offer
    assert offer is not None
    assert offer.amount == Decimal("10000.00")
    assert offer.term_months == ada.application.term_months
    assert offer.finance_charge == offer.total_of_payments - (offer.amount - offer.fee)


async def test_another_day_may_be_decided_for() -> None:
    ada = persona("ada-prime")

    done = await underwritten(ada, options=RunOptions(as_of_date=date(2026, 11, 21)))

    assert done.content.as_of_date == date(2026, 11, 21)


async def test_an_adjusted_amount_is_priced_again_and_becomes_a_counter_offer() -> None:
    adjusts = Says("underwriter", "adjust", more={"amount": 9000.0})

    done = await underwritten(persona("bora-borderline"), adjusts)

    content = done.content
    assert content.recommendation is Recommendation.REFER
    assert content.outcome is Outcome.COUNTER_OFFER
    assert content.offer is not None
    assert content.offer.amount == Decimal("9000.00")
    assert [ruling.decision for ruling in content.rulings] == ["adjust"]
    assert done.run.walk.visits["policy"] == 2


async def test_equal_answers_of_equal_people_give_equal_bytes() -> None:
    bora = persona("bora-borderline")
    approves = Says("underwriter", "approve")

    first, second = await underwritten(bora, approves), await underwritten(bora, approves)
    refused = await underwritten(bora, Says("underwriter", "decline", more={"reason_code": "R09"}))

    assert canonical_json(first.content) == canonical_json(second.content)
    assert canonical_json(first.content) != canonical_json(refused.content)


async def test_what_was_decided_names_every_version_in_force() -> None:
    versions = (await underwritten(persona("ada-prime"))).content.versions

    assert all(versions.model_dump().values())


def test_the_flow_takes_ids_and_options_only() -> None:
    assert set(underwrite.parameters.properties) == {"application_id", "run_id", "options"}
