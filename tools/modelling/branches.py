"""The branches of underwriting that a synthetic portfolio has, with the share of each.

Each branch makes a case that ends there under the shipped policy, scorecards and watchlist. The
makers leave a margin to every limit, so that small changes of a policy move few cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from data.contracts.case import CaseFile
from data.contracts.policy import ReasonCode, Recommendation
from tools.modelling import approvals, declines, referrals
from tools.modelling.cases import Draw


@dataclass(frozen=True)
class Branch:
    """One way through the workflow, as far as it goes before a person answers."""

    name: str
    share: int
    """Of 1,000 rows."""
    recommendation: Recommendation | None
    """Of the policy; None when the case waits before it."""
    gate: str | None
    """The first gate that asks; None when no person is asked."""
    reason: ReasonCode | None
    """The reason of a rule that hits; None when none needs to."""
    make: Callable[[Draw], CaseFile]


_APPROVE, _DECLINE, _REFER = (
    Recommendation.APPROVE,
    Recommendation.DECLINE,
    Recommendation.REFER,
)

BRANCHES: tuple[Branch, ...] = (
    Branch("approve", 390, _APPROVE, None, None, approvals.approve),
    Branch("approve_middling", 140, _APPROVE, None, None, approvals.approve_middling),
    Branch("approve_joint", 30, _APPROVE, None, None, approvals.approve_joint),
    Branch("approve_namesake", 5, _APPROVE, None, None, approvals.approve_namesake),
    Branch(
        "counter_offer",
        60,
        Recommendation.COUNTER_OFFER,
        None,
        ReasonCode.EXCESSIVE_OBLIGATIONS,
        approvals.counter_offer,
    ),
    Branch(
        "decline_obligations",
        55,
        _DECLINE,
        None,
        ReasonCode.EXCESSIVE_OBLIGATIONS,
        declines.decline_obligations,
    ),
    Branch(
        "decline_bankruptcy", 15, _DECLINE, None, ReasonCode.BANKRUPTCY, declines.decline_bankruptcy
    ),
    Branch(
        "decline_past_due",
        20,
        _DECLINE,
        None,
        ReasonCode.DELINQUENT_OBLIGATIONS,
        declines.decline_past_due,
    ),
    Branch(
        "decline_score",
        45,
        _DECLINE,
        None,
        ReasonCode.DELINQUENT_OBLIGATIONS,
        declines.decline_score,
    ),
    Branch(
        "decline_identity", 8, _DECLINE, None, ReasonCode.FRAUD_SUSPECTED, declines.decline_identity
    ),
    Branch("decline_minor", 4, _DECLINE, None, ReasonCode.BELOW_LEGAL_AGE, declines.decline_minor),
    Branch(
        "decline_outside_area",
        10,
        _DECLINE,
        None,
        ReasonCode.OUTSIDE_LENDING_AREA,
        declines.decline_outside_area,
    ),
    Branch(
        "decline_sanctions",
        2,
        _DECLINE,
        None,
        ReasonCode.SANCTIONS_MATCH,
        declines.decline_sanctions,
    ),
    Branch(
        "decline_disputable",
        10,
        _DECLINE,
        "underwriter",
        ReasonCode.COLLECTION_OR_JUDGMENT,
        referrals.decline_disputable,
    ),
    Branch(
        "refer_compliance",
        4,
        _REFER,
        "compliance",
        ReasonCode.IDENTITY_UNVERIFIABLE,
        referrals.refer_compliance,
    ),
    Branch(
        "refer_borderline",
        40,
        _REFER,
        "underwriter",
        ReasonCode.DELINQUENT_OBLIGATIONS,
        referrals.refer_borderline,
    ),
    Branch(
        "refer_thin_file",
        30,
        _REFER,
        "underwriter",
        ReasonCode.LIMITED_CREDIT_EXPERIENCE,
        referrals.refer_thin_file,
    ),
    Branch(
        "refer_no_hit", 15, _REFER, "underwriter", ReasonCode.NO_CREDIT_FILE, referrals.refer_no_hit
    ),
    Branch(
        "refer_income",
        20,
        _REFER,
        "underwriter",
        ReasonCode.INCOME_UNVERIFIABLE,
        referrals.refer_income,
    ),
    Branch(
        "refer_alert",
        6,
        _REFER,
        "underwriter",
        ReasonCode.IDENTITY_UNVERIFIABLE,
        referrals.refer_alert,
    ),
    Branch(
        "refer_inquiries",
        10,
        _REFER,
        "underwriter",
        ReasonCode.RECENT_INQUIRIES,
        referrals.refer_inquiries,
    ),
    Branch(
        "refer_large",
        10,
        _REFER,
        "underwriter",
        ReasonCode.TERMS_NOT_OFFERED,
        referrals.refer_large,
    ),
    Branch(
        "refer_residual",
        12,
        _REFER,
        "underwriter",
        ReasonCode.RESIDUAL_INCOME_LOW,
        referrals.refer_residual,
    ),
    Branch("refer_bureau_down", 4, _REFER, "underwriter", None, referrals.refer_bureau_down),
    Branch(
        "incomplete_frozen", 15, Recommendation.INCOMPLETE, None, None, referrals.incomplete_frozen
    ),
    Branch("documents_missing", 22, None, "documents", None, referrals.documents_missing),
    Branch("documents_expired", 12, None, "documents", None, referrals.documents_expired),
    Branch("documents_torn", 6, None, "documents", None, referrals.documents_torn),
)
