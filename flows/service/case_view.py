"""The case view: what the stages have found about a case, in the words of the pinned policy."""

from __future__ import annotations

import sqlalchemy as sa

from data.contracts.case_view import CaseView, EarlierCase, FactorInWords
from data.contracts.decision import Outcome
from data.contracts.documents import DocumentRef
from data.contracts.errors import RecordNotFoundError
from data.contracts.findings import KeyFactor
from data.contracts.policy import (
    ReasonCode,
    RuleOutcome,
    RuleResult,
    RuleStatus,
    Severity,
)
from data.contracts.underwriting import Underwriting
from flows.case import review_case
from flows.review_forms import DECLINE_REASONS, OVERRIDE_REASONS
from flows.runtime.ledger import decisions, notes, runs
from flows.runtime.ledger.runs import Run
from flows.service.explanations import explained
from flows.terms import price_asked_for

_EARLIER = 20
_URGENCY = (
    RuleOutcome.DECLINE,
    RuleOutcome.INCOMPLETE,
    RuleOutcome.REFER,
    RuleOutcome.STIPULATE,
    RuleOutcome.CAP,
)


def case_view(connection: sa.Connection, run_id: str) -> CaseView:
    """A run's case in words.

    Raises RecordNotFoundError without the run or its application, and before the run has begun,
    and ConflictError when what it has pinned cannot be read any more.
    """
    run = runs.find(connection, run_id)
    if "pinned" not in run.versions:
        raise RecordNotFoundError("this run has not begun yet: its case is known when it has")
    about, known = review_case(connection, run), Underwriting.model_validate(run.state)
    policy, risk = known.policy, known.risk_ensemble
    offer, no_offer = None, "the risk is not known yet"
    if risk is not None:
        offer, no_offer = price_asked_for(about.rulebook, about.case, about.evidence)
    return CaseView(
        run_id=run_id,
        application_id=run.application_id,
        recommendation=policy.recommendation if policy else None,
        rules=explained(sorted(policy.results, key=_place), about.rulebook.policy)
        if policy
        else (),
        factors=tuple(map(_factor, risk.key_factors)) if risk else (),
        offer=offer,
        no_offer=no_offer,
        documents=tuple(
            DocumentRef.model_validate(
                document.model_dump(include=set(DocumentRef.model_fields), mode="json")
            )
            for document in about.case.documents
        ),
        earlier=tuple(_earlier(connection, run)),
        notes=tuple(notes.of_application(connection, run.application_id)),
        decline_reasons={code: ReasonCode(code).notice_text for code in DECLINE_REASONS},
        override_reasons={code: code.replace("_", " ") for code in OVERRIDE_REASONS},
    )


def _place(result: RuleResult) -> tuple[bool, int, bool]:
    """Rules that spoke before the others, the gravest first."""
    is_silent = result.status is RuleStatus.NOT_HIT
    return is_silent, _URGENCY.index(result.outcome), result.severity is not Severity.HARD


def _factor(factor: KeyFactor) -> FactorInWords:
    return FactorInWords(
        attribute=factor.attribute,
        reason=_in_words(factor.code),
        points_lost=str(factor.points_lost),
    )


def _in_words(reason: ReasonCode) -> str:
    return reason.notice_text if reason.printable else "Internal: a letter never names it"


def _earlier(connection: sa.Connection, run: Run) -> list[EarlierCase]:
    """The other runs of the application, newest first."""
    found = runs.page(connection, limit=_EARLIER, application_id=run.application_id)
    others = [other for other in found if other.run_id != run.run_id]
    decided = decisions.of_runs(connection, [other.run_id for other in others])
    return [
        EarlierCase(
            run_id=other.run_id,
            status=other.status,
            created_at=other.created_at,
            outcome=Outcome(decided[other.run_id]["outcome"]) if other.run_id in decided else None,
            is_what_if=other.lineage is not None and not other.lineage.get("may_decide", False),
        )
        for other in others
    ]
