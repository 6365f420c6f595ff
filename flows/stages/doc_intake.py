"""Document intake: are all documents on file, and does the application alone settle the case?"""

from __future__ import annotations

from data.contracts.case import CaseFile
from data.contracts.errors import ReviewTimeoutError
from data.contracts.findings import Presence
from data.contracts.policy import RuleOutcome
from data.contracts.review import ReviewRequest, Role
from data.contracts.underwriting import DocumentsOutcome, Evidence, Intake
from flows.agent_registry import agents
from flows.case import ReviewCase
from flows.case_summary import document_summary
from flows.review_forms import DocumentsSupplied, bound, deadline_of
from flows.runtime.execution.ask import ask
from flows.runtime.execution.context import current_run
from flows.runtime.execution.stage import stage
from tools.documents import preread
from tools.facts import policy_facts
from tools.policy import find_broken_hard_rules

_FURTHER = "further documents, as the underwriter has asked"


@stage("doc_intake")
async def take_in(case: CaseFile) -> Intake:
    """Apply the hard rules to the application alone, and read the documents."""
    await preread(case, current_run().executor.compute)
    book = agents().rulebook
    pack, facts = book.policy, policy_facts(case.application, book.policy, book.prices)
    broken = find_broken_hard_rules(pack, facts, case.application.as_of_date)
    stops = any(rule.outcome is RuleOutcome.DECLINE for rule in broken)
    finding = await ask(agents().doc_intake, case)
    reader = None if stops else agents().document_reader
    return Intake(
        finding=finding,
        stopped_by=tuple(rule.id for rule in broken) if stops else (),
        second_reading=await ask(reader, case) if reader else None,
    )


async def ask_for_documents(case: CaseFile, intake: Intake) -> DocumentsOutcome:
    """Wait at the `documents` gate until intake answers, or until the request expires."""
    run = current_run()
    wanted = [
        f"{item.purpose} ({item.presence.value}): "
        + " or ".join(kind.value.replace("_", " ") for kind in item.kinds)
        for item in intake.finding.checklist
        if item.required and item.presence is not Presence.PRESENT
    ]
    request = ReviewRequest(
        role=Role.INTAKE,
        title="Documents are missing",
        summary=document_summary(case, wanted or [_FURTHER], run.run_id),
        reasons=tuple(wanted or [_FURTHER]),
        facts={
            "amount": f"{case.application.amount_requested:.2f}",
            "on_file": [reading.document_id for reading in intake.finding.readings],
        },
        **deadline_of("documents", Role.INTAKE).model_dump(),
    )
    form = bound(DocumentsSupplied, ReviewCase(case, Evidence(), agents().rulebook))
    try:
        answered = await run.request_hitl("documents", form, request)
    except ReviewTimeoutError:
        outcome = DocumentsOutcome.EXPIRED
    else:
        outcome = DocumentsOutcome(answered.form.decision)
    await run.update(documents=outcome)
    return outcome
