"""Decision: write the decision and enter it in the ledger, once per application."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from data.contracts.case import CaseFile
from data.contracts.decision import (
    Condition,
    DecisionContent,
    HumanRuling,
    Outcome,
    RequestedTerms,
)
from data.contracts.notices import NOTICE_DAYS, LetterWording, NoticeTerms
from data.contracts.policy import PolicyResult
from data.contracts.questions import DecisionQuestion
from data.contracts.underwriting import Evidence, Intake, Pricing
from flows.agent_registry import agents
from flows.conditions import asked
from flows.runtime.execution.ask import ask
from flows.runtime.execution.context import current_run
from flows.runtime.execution.stage import stage
from flows.runtime.ledger.letters import Letter
from tools.letter_points import letter_points
from tools.missing_documents import FURTHER, missing_documents
from tools.notices import compose_notices


@stage("decision")
async def issue_decision(
    case: CaseFile,
    intake: Intake,
    outcome: Outcome,
    evidence: Evidence,
    *,
    policy: PolicyResult | None = None,
    pricing: Pricing | None = None,
    rulings: tuple[HumanRuling, ...] = (),
) -> DecisionContent:
    """Write the decision and enter it in the ledger. An application's first decision stands."""
    application = case.application
    verified = evidence.verification
    screened = verified.kyc.watchlist if verified and verified.kyc else None
    content = await ask(
        agents().writer,
        DecisionQuestion(
            inputs_sha256=case.inputs_sha256(),
            as_of_date=application.as_of_date,
            versions=agents().versions(
                workflow=current_run().workflow.version,
                watchlist=screened.editions if screened else None,
            ),
            requested=RequestedTerms(
                product=application.product,
                amount=application.amount_requested,
                term_months=application.term_months,
            ),
            applicants=tuple(applicant.role for applicant in application.applicants),
            due_by=application.day_of(application.received_at) + timedelta(days=NOTICE_DAYS),
            outcome=outcome,
            policy=policy,
            risk=evidence.risk,
            bureau=evidence.bureau,
            pricing=pricing.finding if pricing else None,
            offer=pricing.offer if pricing else None,
            rulings=rulings,
            conditions=asked(intake, evidence, policy) if policy else _wanted(intake),
        ),
    )
    run = current_run()
    today = application.day_of(datetime.now(UTC))
    letterhead, wording = agents().letterhead, await _letter_wording(content)
    decides = await run.record.decide(
        content, lambda: _letters(content, letterhead, today, wording)
    )
    memo = _with_summary(content.memo, run.texts.get(agents().writer.label, ""))
    await run.executor.publish("decision-memo" if decides else "what-if-memo", memo)
    return content


async def _letter_wording(content: DecisionContent) -> LetterWording | None:
    """The points of the letter in other words; None when nothing is asked of a chat model."""
    worder = agents().letter_worder
    return await ask(worder, content) if worder and letter_points(content) else None


def _letters(
    content: DecisionContent, letterhead: NoticeTerms, today: date, wording: LetterWording | None
) -> tuple[Letter, ...]:
    """The letters as they are sent, with the lender's details of today."""
    return tuple(
        Letter(
            recipient=notice.applicant.value,
            kind=notice.kind.value,
            due_by=notice.due_by.isoformat(),
            body=notice.model_dump(mode="json"),
        )
        for notice in compose_notices(content, letterhead, today, wording)
    )


def _with_summary(memo: str, summary: str) -> str:
    """The memo as people read it. A chat model's summary is no part of the decision's content."""
    return f"## Summary (by a chat model)\n\n{summary}\n\n{memo}" if summary else memo


def _wanted(intake: Intake) -> tuple[Condition, ...]:
    """The documents without which the case has ended."""
    return missing_documents(intake.finding.checklist) or (FURTHER,)
