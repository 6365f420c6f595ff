"""The map of underwriting: every stage, and every transition with its condition.

The map is one table. The runtime refuses a transition that the table does not have. Progress uses
the weights of its nodes, and the drawing shows its nodes and edges. A new stage is a line here and
a file in `stages/`.

The name of a condition between two nodes of one stage is part of the stage's fingerprint, and
stored checkpoints hold fingerprints. Such a condition therefore keeps its name; `text` changes
what the drawing says.
"""

from __future__ import annotations

from importlib.resources import files

from data.contracts.case import CaseFile
from data.contracts.decision import DecisionContent
from data.contracts.findings import (
    BureauFinding,
    FraudFinding,
    IncomeFinding,
    KycFinding,
    RiskFinding,
    Verification,
)
from data.contracts.policy import PolicyResult, Recommendation
from data.contracts.underwriting import (
    DocumentsOutcome,
    Intake,
    Pricing,
    Review,
    Underwriting,
    Verdict,
)
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow

_CREDIT = {Recommendation.APPROVE, Recommendation.COUNTER_OFFER}


def stopped_at_intake(case: Underwriting) -> bool:
    return bool(case.doc_intake and case.doc_intake.stopped_by)


def papers_missing(case: Underwriting) -> bool:
    return bool(case.doc_intake and case.doc_intake.needs_documents)


def documents_complete(case: Underwriting) -> bool:
    return not papers_missing(case) and not stopped_at_intake(case)


def papers_supplied(case: Underwriting) -> bool:
    return case.documents is DocumentsOutcome.SUPPLIED


def no_documents(case: Underwriting) -> bool:
    return case.documents in {DocumentsOutcome.EXPIRED, DocumentsOutcome.WITHDRAWN}


def on_a_sanctions_list(case: Underwriting) -> bool:
    return bool(case.verification and case.verification.is_sanctioned)


def not_on_a_list(case: Underwriting) -> bool:
    return not on_a_sanctions_list(case)


def file_frozen(case: Underwriting) -> bool:
    return bool(case.bureau and case.bureau.is_frozen)


def file_open(case: Underwriting) -> bool:
    return not file_frozen(case)


def offer_tested_again(case: Underwriting) -> bool:
    """The policy has been applied to an adjusted offer."""
    return bool(case.pricing and case.pricing.offer)


def needs_compliance(case: Underwriting) -> bool:
    return _asks(case, "compliance")


def needs_underwriter(case: Underwriting) -> bool:
    return _asks(case, "underwriter") and not _asks(case, "compliance")


def goes_to_pricing(case: Underwriting) -> bool:
    """The policy approves or counters, and no reviewer is needed."""
    return (
        case.policy is not None
        and not case.policy.gates
        and not offer_tested_again(case)
        and case.policy.recommendation in _CREDIT
    )


def settled_by_policy(case: Underwriting) -> bool:
    """The policy has tested an adjusted offer; or it declines or lacks data, without a reviewer."""
    if offer_tested_again(case):
        return True
    return (
        case.policy is not None
        and not case.policy.gates
        and case.policy.recommendation in {Recommendation.DECLINE, Recommendation.INCOMPLETE}
    )


def cleared_for_credit(case: Underwriting) -> bool:
    """Compliance has cleared the applicant, and the review goes on with the underwriter."""
    return bool(case.rulings and case.rulings[-1].decision == Verdict.CLEAR and not case.review)


def second_needed(case: Underwriting) -> bool:
    return case.second_needed


def granted(case: Underwriting) -> bool:
    """A reviewer grants the loan. After a clearing by compliance, the policy grants it."""
    review = case.review
    if review and review.verdict is Verdict.CLEAR:
        return bool(review.policy and review.policy.recommendation in _CREDIT)
    return bool(review and review.verdict in {Verdict.APPROVE, Verdict.ADJUST})


def refused(case: Underwriting) -> bool:
    review = case.review
    return bool(review) and not granted(case) and not documents_requested(case)


def documents_requested(case: Underwriting) -> bool:
    return bool(case.review and case.review.verdict is Verdict.REQUEST_DOCUMENTS)


def terms_adjusted(case: Underwriting) -> bool:
    return bool(case.review and case.review.verdict is Verdict.ADJUST)


def terms_as_asked(case: Underwriting) -> bool:
    return not terms_adjusted(case)


def _asks(case: Underwriting, gate: str) -> bool:
    return bool(case.policy and gate in case.policy.gates) and not offer_tested_again(case)


WORKFLOW = Workflow(
    name="credit-underwriting",
    verb="underwrite",
    version="1",
    nodes=(
        Node("start", Kind.START, gives=CaseFile, title="Application"),
        Node("doc_intake", Kind.AGENT, "doc_intake", 6, (CaseFile,), Intake,
             steps=("doc_intake",), checkpoint="intake", title="Document intake"),
        Node("documents", Kind.HITL, "doc_intake", 0, (Intake,), title="Documents"),
        Node("verification", Kind.FAN_OUT, "verification", 0, (CaseFile, Intake),
             checkpoint="verification", title="Verify side by side"),
        Node("kyc", Kind.SUB_WORKFLOW, "verification", 10, (CaseFile,), KycFinding,
             steps=("document", "match", "watchlist"), title="KYC"),
        Node("fraud", Kind.AGENT, "verification", 10, (CaseFile,), FraudFinding,
             steps=("fraud",), title="Fraud"),
        Node("income", Kind.AGENT, "verification", 12, (CaseFile,), IncomeFinding,
             steps=("income",), title="Income"),
        Node("verified", Kind.FAN_IN, "verification", 0, (), Verification, title="Verified"),
        Node("bureau", Kind.AGENT, "bureau", 10, (CaseFile, Verification), BureauFinding,
             steps=("credit_risk.bureau",), checkpoint="bureau", title="Credit bureau"),
        Node("risk_ensemble", Kind.SUB_WORKFLOW, "risk_ensemble", 22,
             (CaseFile, Verification, BureauFinding), RiskFinding,
             steps=("attributes", "scorecard", "challenger", "affordability", "combine"),
             checkpoint="risk", title="Risk ensemble"),
        Node("policy", Kind.DECISION, "policy", 8, (CaseFile, Intake), PolicyResult,
             checkpoint="policy", title="Credit policy"),
        Node("compliance", Kind.HITL, "review", 2, (PolicyResult,), Review,
             checkpoint="review", title="Compliance"),
        Node("underwriter", Kind.HITL, "review", 6, (PolicyResult,), Review, title="Underwriter"),
        Node("second_approval", Kind.HITL, "review", 2, (PolicyResult,), Review,
             title="Second approval"),
        Node("pricing", Kind.AGENT, "pricing", 6, (CaseFile, PolicyResult), Pricing,
             steps=("underwriter.pricing",), checkpoint="offer", title="Pricing"),
        Node("decision", Kind.AGENT, "decision", 6, (CaseFile, Intake), DecisionContent,
             steps=("underwriter.decision",), checkpoint="decision", title="Decision"),
        Node("end", Kind.END, title="Notice"),
    ),
    edges=(
        Edge("start", "doc_intake"),
        Edge("doc_intake", "documents", papers_missing, text="documents missing"),
        Edge("doc_intake", "verification", documents_complete),
        Edge("doc_intake", "policy", stopped_at_intake),
        Edge("documents", "doc_intake", papers_supplied, back=True, text="documents supplied"),
        Edge("documents", "decision", no_documents),
        Edge("verification", "kyc"),
        Edge("verification", "fraud"),
        Edge("verification", "income"),
        Edge("kyc", "verified"),
        Edge("fraud", "verified"),
        Edge("income", "verified"),
        Edge("verified", "bureau", not_on_a_list),
        Edge("verified", "policy", on_a_sanctions_list),
        Edge("bureau", "risk_ensemble", file_open),
        Edge("bureau", "policy", file_frozen),
        Edge("risk_ensemble", "policy"),
        Edge("policy", "compliance", needs_compliance),
        Edge("policy", "underwriter", needs_underwriter),
        Edge("policy", "pricing", goes_to_pricing),
        Edge("policy", "decision", settled_by_policy),
        Edge("compliance", "underwriter", cleared_for_credit),
        Edge("compliance", "pricing", granted),
        Edge("compliance", "decision", refused),
        Edge("underwriter", "second_approval", second_needed),
        Edge("underwriter", "pricing", granted),
        Edge("underwriter", "decision", refused),
        Edge("underwriter", "documents", documents_requested),
        Edge("second_approval", "pricing", granted),
        Edge("second_approval", "decision", refused),
        Edge("pricing", "policy", terms_adjusted, back=True),
        Edge("pricing", "decision", terms_as_asked),
        Edge("decision", "end"),
    ),
    drawing=files("flows") / "workflow.svg",
)  # fmt: skip
