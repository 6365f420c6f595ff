"""Review: the people. Compliance first, then credit, then a second pair of eyes."""

from __future__ import annotations

from data.contracts.case import CaseFile
from data.contracts.decision import AdjustedTerms, HumanRuling
from data.contracts.errors import ReviewTimeoutError
from data.contracts.policy import PolicyResult, ReasonCode, Recommendation
from data.contracts.review import ReviewRequest, Role
from data.contracts.underwriting import Evidence, Review, ReviewFacts, Verdict
from data.settings import HitlOnTimeout
from flows.case_summary import bounds_of, first_ruling_of, summary_of
from flows.deadlines import deadline_of
from flows.gates import (
    ComplianceRuling,
    SecondApproval,
    UnderwriterRuling,
    discreet,
    is_within_one_authority,
)
from flows.runtime.context import current_run
from flows.runtime.gate import Answered, GateForm
from flows.runtime.stage import stage
from flows.staff import staff
from flows.stages.policy import evaluate_adjusted, evaluate_cleared, facts_of

_ASKED = {
    "compliance": (Role.COMPLIANCE, "Potential watchlist match"),
    "underwriter": (Role.UNDERWRITER, "Rule on a referred case"),
    "second_approval": (Role.SENIOR_UNDERWRITER, "Second approval"),
}


@stage("review")
async def review_case(
    case: CaseFile, policy: PolicyResult, evidence: Evidence, submitted_by: str
) -> Review:
    """Ask whom the policy names, in order; the first refusal ends it, and so does silence."""
    try:
        if "compliance" not in policy.gates:
            return await _credit(case, policy, evidence, submitted_by)
        return await _compliance(case, policy, evidence, submitted_by)
    except ReviewTimeoutError as late:
        return await _declared(late)


async def _declared(late: ReviewTimeoutError) -> Review:
    """What the system makes of silence: the case is incomplete, or it is declined as that."""
    run = current_run()
    rulings = run.state.rulings
    if late.declared is HitlOnTimeout.EXPIRE:
        return Review(verdict=Verdict.EXPIRED, rulings=rulings)
    ruling = HumanRuling(
        gate=late.gate,
        decision=Verdict.DECLINE.value,
        role="system",
        reviewer="system",
        reason_code=ReasonCode.APPLICATION_INCOMPLETE.value,
    )
    together = (*rulings, ruling)
    await run.update(rulings=together, second_needed=False)
    return Review(verdict=Verdict.DECLINE, rulings=together)


async def _compliance(
    case: CaseFile, policy: PolicyResult, evidence: Evidence, submitted_by: str
) -> Review:
    """Whoever is cleared is judged as if no list had named them; credit has no say in it."""
    facts = _facts(case, policy, evidence, submitted_by)
    ruling = await current_run().request_hitl(
        "compliance",
        discreet(ComplianceRuling, case),
        _request("compliance", case, policy, evidence, facts),
    )
    cleared = ruling.form.decision == "clear"
    verdict = Verdict.CLEAR if cleared else Verdict.DECLINE
    rulings = await _ruled((), ruling, verdict)
    if not cleared:
        return Review(verdict=verdict, rulings=rulings)
    unlisted = evaluate_cleared(case, evidence)
    if "underwriter" not in unlisted.gates:
        return Review(verdict=verdict, rulings=rulings, policy=unlisted)
    review = await _credit(case, unlisted, evidence, submitted_by, rulings)
    return review.model_copy(update={"policy": unlisted})


async def _credit(
    case: CaseFile,
    policy: PolicyResult,
    evidence: Evidence,
    submitted_by: str,
    rulings: tuple[HumanRuling, ...] = (),
) -> Review:
    """The underwriter, and whoever must agree."""
    facts = _facts(case, policy, evidence, submitted_by)
    ruling = await current_run().request_hitl(
        "underwriter",
        discreet(UnderwriterRuling, case),
        _request("underwriter", case, policy, evidence, facts),
    )
    verdict, adjusted = Verdict(ruling.form.decision), ruling.form.adjusted
    override = facts.is_override or (
        adjusted is not None and _is_declined(evaluate_adjusted(case, evidence, adjusted))
    )
    granted = facts.model_copy(
        update={
            "amount": (adjusted.amount if adjusted else None) or facts.amount,
            "first_reviewer": ruling.by.reviewer,
            "is_override": override,
        }
    )
    grants = verdict in {Verdict.APPROVE, Verdict.ADJUST}
    second = grants and not is_within_one_authority(granted.amount, granted, ruling.by)
    rulings = await _ruled(rulings, ruling, verdict, adjusted, override, second)
    if second:
        agreed = await current_run().request_hitl(
            "second_approval",
            discreet(SecondApproval, case),
            _request("second_approval", case, policy, evidence, granted),
        )
        verdict = verdict if agreed.form.decision == "approve" else Verdict.DECLINE
        rulings = await _ruled(rulings, agreed, verdict, override=override)
    return Review(
        verdict=verdict,
        rulings=rulings,
        adjusted=adjusted if verdict is Verdict.ADJUST else None,
    )


def _is_declined(policy: PolicyResult) -> bool:
    """Whether granting goes against the policy: its soft rules, for hard ones stop the case."""
    return policy.recommendation is Recommendation.DECLINE


async def _ruled(
    rulings: tuple[HumanRuling, ...],
    answered: Answered[GateForm],
    verdict: Verdict,
    adjusted: AdjustedTerms | None = None,
    override: bool = False,
    second: bool = False,
) -> tuple[HumanRuling, ...]:
    """Put a ruling on the record, where the map's edges see it."""
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
    )
    together = (*rulings, ruling)
    await current_run().update(rulings=together, second_needed=second)
    return together


def _facts(
    case: CaseFile, policy: PolicyResult, evidence: Evidence, submitted_by: str
) -> ReviewFacts:
    book, asked, risk = staff().rulebook, case.application, evidence.risk
    limits = [book.policy.affordability.largest_amount, facts_of(case, evidence).income_limit]
    return ReviewFacts(
        amount=asked.amount_requested,
        term_months=asked.term_months,
        grade=risk.grade if risk else None,
        smallest_amount=book.policy.affordability.smallest_amount,
        largest_amount=min(limit for limit in limits if limit is not None),
        longest_term=book.prices.terms[-1],
        lowest_rate=book.prices.lowest_rate,
        highest_rate=book.prices.highest_rate,
        is_override=_is_declined(policy),
        submitted_by=submitted_by,
    )


def _request(
    gate: str,
    case: CaseFile,
    policy: PolicyResult,
    evidence: Evidence,
    facts: ReviewFacts,
) -> ReviewRequest:
    role, title = _ASKED[gate]
    notes = {"underwriter": bounds_of, "second_approval": first_ruling_of}
    note = notes[gate](facts) if gate in notes else ""
    return ReviewRequest(
        role=role,
        title=title,
        summary=summary_of(case, policy, evidence.risk, current_run().run_id, note),
        reasons=policy.refer_reasons or tuple(reason.name.lower() for reason in policy.reasons),
        tags=(
            f"decision:{policy.recommendation.value}",
            f"grade:{facts.grade.value if facts.grade else 'none'}",
        ),
        facts=facts.model_dump(mode="json"),
        **deadline_of(gate, role).model_dump(),
    )
