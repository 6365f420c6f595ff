"""Review: the gates. Compliance answers first, then the underwriter, then a second person."""

from __future__ import annotations

from dataclasses import replace

from data.contracts.case import CaseFile
from data.contracts.decision import SYSTEM, AdjustedTerms, HumanRuling
from data.contracts.errors import ReviewTimeoutError
from data.contracts.policy import PolicyResult
from data.contracts.review import Person, ReviewRequest, Role
from data.contracts.underwriting import Evidence, Intake, Review, ReviewFacts, Verdict
from flows.agent_registry import agents
from flows.case import ReviewCase
from flows.case_summary import bounds_of, first_ruling_of, summary_of
from flows.conditions import asked
from flows.review_forms import (
    ComplianceRuling,
    SecondApproval,
    UnderwriterRuling,
    bound,
    deadline_of,
    is_within_one_authority,
)
from flows.runtime.execution.context import current_run
from flows.runtime.execution.gate_form import Answered, GateForm
from flows.runtime.execution.stage import stage
from flows.terms import OnTerms, amounts, is_declined, judged

_ASKED = {
    "compliance": (Role.COMPLIANCE, "Potential watchlist match"),
    "underwriter": (Role.UNDERWRITER, "Rule on a referred case"),
    "second_approval": (Role.SENIOR_UNDERWRITER, "Second approval"),
}


@stage("review")
async def review_case(
    case: CaseFile, policy: PolicyResult, evidence: Evidence, submitted_by: tuple[Person, ...]
) -> Review:
    """Ask the gates that the policy names, in order, until one declines or times out."""
    ask_first = _compliance if "compliance" in policy.gates else _credit
    try:
        return await ask_first(ReviewCase(case, evidence, agents().rulebook), policy, submitted_by)
    except ReviewTimeoutError as late:
        return await _declared(late)


async def _declared(late: ReviewTimeoutError) -> Review:
    """The review after no reviewer has answered, in any role that was asked.

    The applicant has sent all that was needed, so the case is complete and is decided: declined,
    for the reasons that made the policy ask.
    """
    run = current_run()
    ruling = HumanRuling(
        gate=late.gate,
        decision=Verdict.DECLINE.value,
        role=SYSTEM,
        reviewer=SYSTEM,
        reason_code="",
    )
    together = (*run.state.rulings, ruling)
    await run.update(rulings=together, second_needed=False)
    return Review(verdict=Verdict.DECLINE, rulings=together)


async def _compliance(
    review_case: ReviewCase, policy: PolicyResult, submitted_by: tuple[Person, ...]
) -> Review:
    """Ask compliance. After `clear`, run the policy again without the watchlist hit.

    Credit cannot override compliance.
    """
    facts = _facts(review_case, policy, submitted_by)
    ruling = await current_run().request_hitl(
        "compliance",
        bound(ComplianceRuling, review_case),
        _request("compliance", review_case, policy, facts),
    )
    cleared = ruling.form.decision == "clear"
    verdict = Verdict.CLEAR if cleared else Verdict.DECLINE
    rulings = await _ruled((), ruling, verdict)
    if not cleared:
        return Review(verdict=verdict, rulings=rulings)
    review_case = replace(
        review_case, evidence=review_case.evidence.model_copy(update={"cleared": True})
    )
    unlisted = judged(review_case.rulebook, review_case.case, review_case.evidence)
    if "underwriter" not in unlisted.gates:
        return Review(verdict=verdict, rulings=rulings, policy=unlisted)
    try:
        review = await _credit(review_case, unlisted, submitted_by, rulings)
    except ReviewTimeoutError as late:
        # Compliance has answered and stays answered: only the credit gate timed out.
        review = await _declared(late)
    return review.model_copy(update={"policy": unlisted})


async def _credit(
    review_case: ReviewCase,
    policy: PolicyResult,
    submitted_by: tuple[Person, ...],
    rulings: tuple[HumanRuling, ...] = (),
) -> Review:
    """Ask the underwriter, and a second person when one authority is not enough."""
    facts = _facts(review_case, policy, submitted_by)
    ruling = await current_run().request_hitl(
        "underwriter",
        bound(UnderwriterRuling, review_case),
        _request("underwriter", review_case, policy, facts),
    )
    verdict, adjusted = Verdict(ruling.form.decision), ruling.form.adjusted
    if not ruling.form.grants:
        return Review(verdict=verdict, rulings=await _ruled(rulings, ruling, verdict))
    terms = ruling.form.terms()
    granted = _granted(facts, terms, ruling.by.person)
    second = not is_within_one_authority(review_case.rulebook.authority, granted, ruling.by)
    override = granted.is_override
    rulings = await _ruled(rulings, ruling, verdict, adjusted, override, second)
    if second:
        agreed = await current_run().request_hitl(
            "second_approval",
            bound(SecondApproval, review_case),
            _request("second_approval", review_case, terms.policy, granted, terms),
        )
        verdict = verdict if agreed.form.decision == "approve" else Verdict.DECLINE
        rulings = await _ruled(rulings, agreed, verdict, override=override)
    return Review(
        verdict=verdict,
        rulings=rulings,
        adjusted=adjusted if verdict is Verdict.ADJUST else None,
    )


def _granted(facts: ReviewFacts, terms: OnTerms, reviewer: Person) -> ReviewFacts:
    """The facts for the second person: the terms that the first reviewer would grant."""
    offer = terms.offer
    return facts.model_copy(
        update={
            "amount": offer.amount,
            "term_months": offer.term_months,
            "rate": offer.rate,
            "first_reviewer": reviewer.name,
            "first_principal": reviewer.principal,
            "is_override": facts.is_override or terms.is_override,
        }
    )


async def _ruled(
    rulings: tuple[HumanRuling, ...],
    answered: Answered[GateForm],
    verdict: Verdict,
    adjusted: AdjustedTerms | None = None,
    override: bool = False,
    second: bool = False,
) -> tuple[HumanRuling, ...]:
    """Add a ruling to the state, where the map's conditions read it."""
    grants = verdict in {Verdict.APPROVE, Verdict.ADJUST}
    ruling = HumanRuling(
        gate=answered.form.gate,
        decision=verdict.value,
        role=answered.by.roles[0].value,
        reviewer=answered.by.reviewer,
        proven=answered.by.proven,
        reason_code=getattr(answered.form, "reason_code", ""),
        override=override and grants,
        adjusted=adjusted,
        fraud_outcome=getattr(answered.form, "fraud_outcome", None) or None,
        waived=tuple(getattr(answered.form, "waived", ())),
    )
    together = (*rulings, ruling)
    await current_run().update(rulings=together, second_needed=second)
    return together


def _facts(
    review_case: ReviewCase, policy: PolicyResult, submitted_by: tuple[Person, ...]
) -> ReviewFacts:
    asked, risk, prices = (
        review_case.case.application,
        review_case.evidence.risk,
        review_case.rulebook.prices,
    )
    smallest, largest = amounts(review_case.rulebook, review_case.case, review_case.evidence)
    return ReviewFacts(
        amount=asked.amount_requested,
        term_months=asked.term_months,
        grade=risk.grade if risk else None,
        smallest_amount=smallest,
        largest_amount=largest,
        shortest_term=prices.terms[0],
        longest_term=prices.terms[-1],
        lowest_rate=prices.lowest_rate,
        highest_rate=prices.highest_rate,
        is_override=is_declined(policy),
        submitted_by=submitted_by,
        conditions=_conditions(review_case.evidence, policy),
    )


def _conditions(evidence: Evidence, policy: PolicyResult) -> tuple[str, ...]:
    """The codes of the conditions of the case."""
    intake: Intake | None = current_run().state.doc_intake
    return tuple(found.code for found in asked(intake, evidence, policy)) if intake else ()


def _request(
    gate: str,
    review_case: ReviewCase,
    policy: PolicyResult,
    facts: ReviewFacts,
    terms: OnTerms | None = None,
) -> ReviewRequest:
    role, title = _ASKED[gate]
    notes = {"underwriter": bounds_of, "second_approval": first_ruling_of}
    note = notes[gate](facts) if gate in notes else ""
    return ReviewRequest(
        role=role,
        title=title,
        summary=summary_of(review_case, policy, role, current_run().run_id, note, terms),
        reasons=policy.refer_reasons or tuple(reason.name.lower() for reason in policy.reasons),
        tags=(
            f"decision:{policy.recommendation.value}",
            f"grade:{facts.grade.value if facts.grade else 'none'}",
        ),
        facts=facts.model_dump(mode="json"),
        **deadline_of(gate, role).model_dump(),
    )
