"""The underwriting of a consumer-credit application, from submission to decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow

from agents.voice import NO_VOICE, Voice, voice_named, voice_of
from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.policy import Recommendation
from data.contracts.runs import RunOptions
from data.contracts.underwriting import (
    DocumentsOutcome,
    Evidence,
    Intake,
    Pricing,
    Review,
    Rulebook,
    Underwriting,
    Verdict,
)
from data.settings import settings
from flows.agent_registry import AgentRegistry, use_agents
from flows.case import as_read, case_in_run
from flows.rulebook import current_rulebook
from flows.runtime.execution.open_run import open_run
from flows.runtime.execution.surroundings import OpenRun
from flows.stages.bureau import pull_bureau
from flows.stages.decision import issue_decision
from flows.stages.doc_intake import ask_for_documents, take_in
from flows.stages.policy import apply_policy
from flows.stages.pricing import price
from flows.stages.review import review_case
from flows.stages.risk_ensemble import assess_risk
from flows.stages.verification import verify_applicant
from flows.workflow import WORKFLOW
from tools.watchlist import Watchlists


@flow(
    name="credit-underwriting",
    flow_run_name="underwrite {application_id}",
    persist_result=False,
)
async def underwrite(
    application_id: str, run_id: str = "", options: RunOptions | None = None
) -> Any:
    """Underwrite one application."""
    desk = settings()
    own = voice_of(desk)

    def voice(pinned: Rulebook) -> Voice:
        named = pinned.agent_backend
        return own if named is None else voice_named(desk, named)

    rulebook = current_rulebook(desk.data_dir)
    run = await carry_out(application_id, rulebook, run_id=run_id, options=options, voice=voice)
    return run.conclusion


async def carry_out(
    application_id: str,
    rulebook: Rulebook,
    *,
    run_id: str = "",
    options: RunOptions | None = None,
    voice: Callable[[Rulebook], Voice] = lambda _: NO_VOICE,
) -> OpenRun[Rulebook]:
    """Execute the run of an application, by the rulebook that it has pinned or pins now.

    A `voice` words the findings of the agents, chosen by what the run has pinned. No finding and
    no decision depends on it.
    """
    async with open_run(
        WORKFLOW, Underwriting(), application_id, run_id=run_id, options=options, pin=rulebook
    ) as run:
        lists = Watchlists.of(settings())
        registry = AgentRegistry.with_rulebook(
            run.pinned, settings().data_dir, lists, voice(run.pinned)
        )
        with use_agents(registry):
            await decide(run)
    return run


async def decide(run: OpenRun[Any]) -> None:
    """Ask for documents, gather evidence, apply the policy, ask reviewers, price and decide."""
    case = filed_case(run)
    intake = await take_in(case)
    case = as_read(case, intake)
    if intake.needs_documents:
        return await with_documents(run, case, intake)

    evidence = await gather_evidence(case, intake)
    policy = await apply_policy(case, intake, evidence)
    review = await review_case(case, policy, evidence, run.submitted_by) if policy.gates else None
    if review and review.verdict is Verdict.REQUEST_DOCUMENTS:
        return await with_documents(run, case, intake)

    if review and review.policy:
        policy, evidence = review.policy, evidence.model_copy(update={"cleared": True})
    outcome = outcome_of(policy.recommendation, review)
    pricing = None
    if outcome in {Outcome.APPROVE, Outcome.COUNTER_OFFER}:
        adjusted = review.adjusted if review else None
        pricing = await price(case, policy, evidence, adjusted)
        if adjusted:
            await apply_policy(case, intake, evidence, pricing)
        outcome = outcome_at_price(outcome, pricing)
    await issue_decision(
        case,
        intake,
        outcome,
        evidence,
        policy=policy,
        pricing=pricing,
        rulings=review.rulings if review else (),
    )
    return None


async def with_documents(run: OpenRun[Any], case: CaseFile, intake: Intake) -> None:
    """Ask the applicant for documents. Start over with them, or decide without them."""
    answer = await ask_for_documents(case, intake)
    if answer is DocumentsOutcome.SUPPLIED:
        await run.reread()
        await decide(run)
    else:
        is_withdrawn = answer is DocumentsOutcome.WITHDRAWN
        outcome = Outcome.WITHDRAWN if is_withdrawn else Outcome.INCOMPLETE
        await issue_decision(case, intake, outcome, Evidence())


async def gather_evidence(case: CaseFile, intake: Intake) -> Evidence:
    """Ask the agents one stage after another, and stop when a finding already settles the case."""
    if intake.stopped_by:
        return Evidence()
    verification = await verify_applicant(case, intake)
    found = Evidence(verification=verification, second_reading=intake.second_reading)
    if verification.is_sanctioned:
        return found
    bureau = await pull_bureau(case, verification)
    found = found.model_copy(update={"bureau": bureau})
    if bureau.is_frozen:
        return found
    risk = await assess_risk(case, verification, bureau)
    return found.model_copy(update={"risk": risk})


def outcome_of(recommendation: Recommendation, review: Review | None) -> Outcome:
    """The outcome of policy and review. Adjusted terms are a counter-offer (Regulation B)."""
    if review is None or review.verdict is Verdict.CLEAR:
        return Outcome(recommendation.value)
    return {
        Verdict.APPROVE: Outcome.APPROVE,
        Verdict.ADJUST: Outcome.COUNTER_OFFER,
        Verdict.DECLINE: Outcome.DECLINE,
        # Of a run that an earlier version left here: silence of the lender is no incompleteness.
        Verdict.EXPIRED: Outcome.DECLINE,
    }[review.verdict]


def outcome_at_price(outcome: Outcome, pricing: Pricing) -> Outcome:
    """The outcome that the lender has a price for: no loan is made below its cost."""
    finding = pricing.finding
    if pricing.offer is not None or (outcome is Outcome.APPROVE and finding.offers):
        return outcome
    return Outcome.COUNTER_OFFER if finding.counter_offers else Outcome.DECLINE


def filed_case(run: OpenRun[Any]) -> CaseFile:
    """The application on file, with the overrides of this run."""
    return case_in_run(run.application, run.options, run.overrides)
